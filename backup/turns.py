"""Whose turn it is: the file that a run is at is written down before it is opened, so that somebody knows of it when the
run does not come back.

A run that was ended in a file's turn (by the kernel, for want of memory) leaves its name there, and the next run counts it.
A turn that lasts longer than its limit is seen by the watch, which is another process: it tells, and at last ends the run.
After two such ends the file is set aside (aside.py).
"""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from backup.state import read_json, write_atomically

TURN_FILE = "turn.json"
# A locked database is waited for 30 s (snapshot.py); the slowest disk and processor read 2 MB in a second.
LEAST_SECONDS = 45.0
BYTES_A_SECOND = 2_000_000
ENDED_AFTER = 3.0  # so many times its limit, and the watch ends the run: a machine can be slow

HINT = "the run is ended soon and that file set aside; all others go on then; keep it out of the folder if it is not needed"


@dataclass(frozen=True)
class Turn:
    """`file` is empty before the first one. `began`: by the clock that starts with the machine; `seconds`: how long it may
    take, None while the target is awaited. `process` and `started`: whose turn it is, by the kernel's names for it."""

    file: str
    seconds: float | None
    began: float
    boot: str
    process: int
    started: str
    hung: bool = False  # it was ended, because it took too long

    @property
    def age(self) -> float:
        return time.monotonic() - self.began

    @property
    def late(self) -> bool:
        return self.seconds is not None and self.age > self.seconds and self.boot == _boot()

    @property
    def told(self) -> str:
        return f"a run has been at {self.file} for {int(self.age)} s, and does not come to an end"

    @property
    def lives(self) -> bool:
        return self.boot == _boot() and started(self.process) == self.started


class Turns:
    """Of one run, which holds the lock."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / TURN_FILE
        self.file = ""

    @contextmanager
    def run(self) -> Iterator[None]:
        """For the length of the run: after it nobody has the turn, unless the process was ended in it."""
        self.at("", None)
        try:
            yield
        finally:
            forget(self.path.parent)

    def at(self, file: str, seconds: float | None) -> None:
        """It is this file's turn now. Raises StateError."""
        self.file = file
        pid = os.getpid()
        turn = Turn(file, seconds, time.monotonic(), _boot(), pid, started(pid))
        write_atomically(self.path, json.dumps(asdict(turn)), durable=False)


def limit(size: int) -> float:
    """How many seconds a file of so many bytes may take."""
    return LEAST_SECONDS + size / BYTES_A_SECOND


def size(path: Path) -> int:
    """Of a file with what SQLite keeps beside it."""
    total = 0
    for suffix in ("", "-wal", "-journal"):
        with suppress(OSError):
            total += Path(f"{path}{suffix}").stat().st_size
    return total


def read(state_dir: Path) -> Turn | None:
    """The turn that is on; None where there is none."""
    content = read_json(state_dir / TURN_FILE)
    try:
        turn = Turn(**content)
        seconds = None if turn.seconds is None else float(turn.seconds)
        turn = replace(turn, seconds=seconds, began=float(turn.began), process=int(turn.process))
    except (TypeError, ValueError):
        return None
    return turn if isinstance(turn.file, str) else None


def hanging(state_dir: Path) -> Turn | None:
    """The turn that lasts longer than any should; None where none does. Asked in the container that the run is in."""
    turn = read(state_dir)
    return turn if turn is not None and turn.late and turn.lives else None


def left_over(state_dir: Path) -> Turn | None:
    """The turn in which the last run was ended, the machine not with it. Only asked by who holds the run's lock."""
    turn = read(state_dir)
    return turn if turn is not None and turn.boot == _boot() else None


def forget(state_dir: Path) -> None:
    """Nobody has the turn: the run came to its end, or a person ended it."""
    with suppress(OSError):
        (state_dir / TURN_FILE).unlink(missing_ok=True)


def end_if_hung(state_dir: Path) -> Turn | None:
    """Ends the run whose turn has lasted far too long; gives that turn. What starts the program again is supervisord's."""
    turn = hanging(state_dir)
    if turn is None or turn.seconds is None or turn.age < ENDED_AFTER * turn.seconds:
        return None
    write_atomically(state_dir / TURN_FILE, json.dumps(asdict(replace(turn, hung=True))), durable=False)
    with suppress(OSError):
        os.kill(turn.process, signal.SIGKILL)
    return turn


def started(process: int) -> str:
    """When a process was started, in the kernel's ticks; empty for one that is not there, or has ended."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in ("Z", "X") else fields[19]


def _boot() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
