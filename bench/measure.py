"""A program of ours measured from outside: seconds, memory with all of its children, its own Last Sync line."""

from __future__ import annotations

import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_LAST_SYNC = re.compile(r"Last Sync: .* (\d+) rows upserted, (\d+) deleted, .* (\d+) bytes sent, ([\d.]+) s")


@dataclass(frozen=True)
class Ran:
    """`peak_bytes`: the most memory of the process with its children."""

    seconds: float
    peak_bytes: int
    output: str

    def last_sync(self) -> tuple[int, int, float]:
        """Rows upserted, bytes sent and seconds, as the program itself says."""
        found = _LAST_SYNC.search(self.output)
        if found is None:
            raise SystemExit(f"no Last Sync in what the program said:\n{self.output}")
        return int(found[1]), int(found[3]), float(found[4])


@dataclass(frozen=True)
class Bar:
    """One bar of the picture: in which of its charts, and how long (seconds, or what the chart's title says)."""

    chart: str
    label: str
    length: float
    ours: bool = False


@dataclass(frozen=True)
class Figure:
    """One line of the table: what was measured, against what it is held, and the goal it must reach (None: none)."""

    what: str
    value: str
    against: str = ""
    floor: str = ""
    kept: bool | None = None
    bar: Bar | None = None


def run(environ: dict[str, str], *arguments: str) -> Ran:
    """Runs `python -m ARGUMENTS` and waits for it. Ends this program when it fails."""
    began = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", *arguments], env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    return _watched(process, arguments, began)


def program(*arguments: str, environ: dict[str, str] | None = None) -> Ran:
    """Runs another program in the same way."""
    began = time.monotonic()
    process = subprocess.Popen(arguments, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    return _watched(process, arguments, began)


def _watched(process: subprocess.Popen[str], arguments: Sequence[str], began: float) -> Ran:
    peak = 0
    while process.poll() is None:
        peak = max(peak, memory(process.pid))
        time.sleep(0.02)
    seconds = time.monotonic() - began
    output = process.stdout.read() if process.stdout else ""
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(arguments)} ended with {process.returncode}:\n{output}")
    return Ran(seconds, peak, output)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)


def spread(values: Sequence[float], unit: str = "s", digits: int = 2) -> str:
    """The median, and from where to where the rounds went."""
    return f"{median(values):.{digits}f} {unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which this share of the others is."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def memory(pid: int) -> int:
    """Bytes of a process and all below it, each shared page counted once, in parts.

    That is Pss (https://docs.kernel.org/filesystems/proc.html). A sum of what is resident would count all of a process
    twice in the instant in which it starts another.
    """
    total = 0
    for one in _family(pid):
        with suppress(OSError):
            found = re.search(r"^Pss: +(\d+) kB", Path(f"/proc/{one}/smaps_rollup").read_text(), re.M)
            total += int(found[1]) * 1024 if found else 0
    return total


def cpu_seconds(pid: int) -> float:
    """What a process, all below it, and those of them that have ended used of the processor."""
    ticks = 0
    for one in _family(pid):
        with suppress(OSError, IndexError):
            ticks += sum(map(int, Path(f"/proc/{one}/stat").read_text().rsplit(")", 1)[1].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> Iterator[int]:
    pending = [pid]
    while pending:
        one = pending.pop()
        yield one
        with suppress(OSError):
            for task in Path(f"/proc/{one}/task").iterdir():
                pending += [int(child) for child in (task / "children").read_text().split()]
