"""A drill in a process of its own: it downloads and builds everything, and runs on change go on meanwhile."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from threading import Thread

from backup.config import BackupSettings
from backup.drill import Drill, drill
from mirror import errors, settings
from mirror.errors import DrillStopped, SidemirrorError

_SECONDS_TO_END = 5.0


class DrillProcess:
    """Started when it is made; `result` once it has `ended`. Its settings are those of `environ` (None: this process's)."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "backup.drill_process"],
            env=environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def ended(self) -> bool:
        return self._process.poll() is not None

    def result(self) -> Drill:
        """Raises what the drill raised, and DrillStopped when its process was killed."""
        assert self._process.stdout is not None
        said = self._process.stdout.read()
        self._process.wait()
        self._close()
        if not said:
            raise DrillStopped(
                "the process of the drill was killed", "was there too little memory? It is made again later"
            )
        answer = json.loads(said)
        if "kind" in answer:
            raise getattr(errors, answer["kind"])(answer["what"], answer["hint"])
        return Drill(
            **answer | {"at": datetime.fromisoformat(answer["at"]), "problems": tuple(answer["problems"])},
        )

    def stop(self) -> None:
        """Whatever it is doing: what it has in its folder goes with the next one."""
        self._process.terminate()
        try:
            self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._close()

    def _close(self) -> None:
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


def _end_with_the_one_who_asked() -> None:
    """Nobody writes to it: when there is an end of it, the sidecar is gone.

    Not by way of sys.stdin: its lock would be held to the end, and Python aborts when it cannot close it then.
    """
    while os.read(0, 1):
        pass
    os._exit(1)


def main() -> None:
    """Makes a drill, and prints what it came to."""
    Thread(target=_end_with_the_one_who_asked, daemon=True).start()
    try:
        answer = asdict(drill(settings.load(BackupSettings)))
        answer["at"] = answer["at"].isoformat()
    except SidemirrorError as error:
        answer = {"kind": type(error).__name__, "what": error.what, "hint": error.hint}
    except Exception as error:  # noqa: BLE001 - its kind is told, nothing of what it says: that could hold a secret
        what = f"an unexpected {type(error).__name__} in a drill"
        answer = {"kind": SidemirrorError.__name__, "what": what, "hint": "please report it"}
    sys.stdout.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
