"""Programs that run beside what is measured: the sidecar's own, and Litestream with a replica in a folder."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.measure import memory
from bench.place import Place

PATIENCE = 600.0


@dataclass(frozen=True)
class Service:
    """A program with its output in a file. `memory`: its bytes with all below it, whenever they rose."""

    process: subprocess.Popen[bytes]
    output: Path
    memory: list[int]

    @property
    def pid(self) -> int:
        return self.process.pid

    def said(self, pattern: str) -> list[re.Match[str]]:
        return list(re.finditer(pattern, self.output.read_text(encoding="utf-8")))

    def wait_for(self, pattern: str, times: int = 1) -> re.Match[str]:
        """The match of that number. Ends the bench when the program ends before it, or takes too long."""
        self.wait_until(lambda: len(self.said(pattern)) >= times, f"it did not say {pattern!r} {times} times")
        return self.said(pattern)[times - 1]

    def wait_until(self, condition: Callable[[], bool], otherwise: str) -> None:
        deadline = time.monotonic() + PATIENCE
        while not condition():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{otherwise}:\n{self.output.read_text(encoding='utf-8')}")
            time.sleep(0.005)


# A run that sent rows, as the sidecar's log for developers tells it: rows, bytes, seconds.
SENT = r"run \d+ \(\w+\): Counts\(upserted=([1-9]\d*), .*bytes_sent=(\d+)\) in ([\d.]+) s"


@contextmanager
def sidecar(place: Place, environ: dict[str, str] | None = None, **more: str) -> Iterator[Service]:
    """The sidecar's main program after its first run, waking on change as it does by default."""
    command = [sys.executable, "-m", "backup", "schedule"]
    told = {"LOG_LEVEL": "debug", **more}
    with _running(command, place.folder / "sidecar.log", {**(environ or place.environ), **told}) as service:
        service.wait_for(SENT)
        yield service


@contextmanager
def supervised(place: Place) -> Iterator[Service]:
    """All of the sidecar's container: supervisord, what it watches, and the sidecar."""
    command = ["supervisord", "-c", "/app/backup/supervisord.conf"]
    with _running(command, place.folder / "supervised.log", place.environ) as service:
        service.wait_for("Last Sync")
        yield service


@contextmanager
def litestream(database: Path, replica: Path) -> Iterator[Service]:
    """Litestream as its guide sets it up, with its own defaults, after its first snapshot."""
    config = replica.with_suffix(".yml")
    config.write_text(
        f"dbs:\n  - path: {database}\n    replica:\n      type: file\n      path: {replica}\n", encoding="utf-8"
    )
    command = ["litestream", "replicate", "-config", str(config)]
    with _running(command, replica.with_suffix(".log"), None) as service:
        service.wait_until(lambda: any(replica.rglob("*.ltx")), "Litestream made no replica")
        yield service


@contextmanager
def _running(command: list[str], output: Path, environ: dict[str, str] | None) -> Iterator[Service]:
    with (
        output.open("wb") as file,
        subprocess.Popen(command, env=environ, stdout=file, stderr=subprocess.STDOUT) as process,
    ):
        service = Service(process, output, [])
        threading.Thread(target=_sample, args=(service,), daemon=True).start()
        try:
            yield service
        finally:
            process.terminate()
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()


def _sample(service: Service) -> None:
    """Only what is higher than all before is kept."""
    while service.process.poll() is None:
        found = memory(service.pid)
        if not service.memory or found > service.memory[-1]:
            service.memory.append(found)
        time.sleep(0.02)
