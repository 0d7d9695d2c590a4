"""The runs that this state folder made, each with its token: by them the target's last one is known to be ours.

An installation's id comes along when a machine is cloned. What its copy writes after that does not: the first of the two
that writes goes on, and the other one meets a token that it did not make. A token is durable here before the target has it,
so no crash can make one of our own unknown; and one that was made earlier tells that the target went back in time.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from backup.snapshot import synced
from backup.state import write_atomically
from mirror import taken
from mirror.catalog import State
from mirror.errors import StateError, TargetTaken

FILE = "own-runs.txt"
MOST = 5_000  # lines of some 60 bytes; beyond twice as many the older ones go


@dataclass(frozen=True)
class OwnRun:
    """`at`: seconds since 1970. `made`: the target is known to have it; otherwise it was only begun."""

    number: int
    token: UUID
    at: float
    made: bool


class OwnRuns:
    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / FILE
        self.all = list(self._read())
        self.noted = _identity(self.path)

    def is_current(self, state_dir: Path) -> bool:
        """Whether nobody else has written to the file since it was read."""
        return self.path.parent == state_dir and self.noted == _identity(self.path)

    @property
    def last(self) -> OwnRun | None:
        """The last one that the target is known to have."""
        return next((run for run in reversed(self.all) if run.made), None)

    @property
    def begun(self) -> OwnRun | None:
        """The last one, if nobody knows what became of it."""
        return self.all[-1] if self.all and not self.all[-1].made else None

    def knows(self, token: UUID) -> bool:
        return any(run.token == token for run in reversed(self.all))

    def begin(self, number: int, token: UUID) -> None:
        """Before the commit, durable. Raises StateError."""
        self._add(OwnRun(number, token, time.time(), made=False))

    def end(self, number: int, token: UUID) -> None:
        """After it; what is lost of this in a power cut is found out again. Raises StateError."""
        if self.last is None or (self.last.number, self.last.token) != (number, token) or self.begun:
            self._add(OwnRun(number, token, time.time(), made=True))

    def beyond(self, number: int) -> tuple[OwnRun, ...]:
        """The restore points after this run that the target had when it was last written to, oldest first."""
        points: list[OwnRun] = []
        for run in self.all:
            if run.made:
                while points and points[-1].number >= run.number:
                    points.pop()
                points.append(run)
        return tuple(run for run in points if run.number > number)

    def _read(self) -> Iterator[OwnRun]:
        try:
            lines = self.path.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return
        except OSError as error:
            raise StateError(
                f"{self.path.name} in the state folder cannot be read: {error.strerror}",
                "it has to belong to the sidecar's user: ./sidemirror up gives it back",
            ) from error
        for line in lines:
            try:
                word, number, token, at = line.split(" ")
                yield OwnRun(int(number), UUID(token), float(at), word == "made")
            except ValueError:
                continue  # cut off by a kill

    def _add(self, run: OwnRun) -> None:
        self._write(run)
        self.noted = _identity(self.path)

    def _write(self, run: OwnRun) -> None:
        self.all.append(run)
        if len(self.all) > 2 * MOST:
            self.all = self.all[-MOST:]
            write_atomically(self.path, "".join(map(_line, self.all)))
            return
        try:
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
            try:
                # With a new line before it: the last one may have been cut off.
                text = f"\n{_line(run)}".encode("ascii")
                if os.write(descriptor, text) < len(text):
                    raise OSError(28, "No space left on device")
                if not run.made:
                    os.fsync(descriptor)
            finally:
                os.close(descriptor)
            if len(self.all) == 1:
                synced(self.path)
        except OSError as error:
            self.all.pop()
            raise StateError(
                f"cannot write {self.path.name} into the state folder {self.path.parent}: {error.strerror}",
                "make room there, or give the folder to the sidecar's user",
            ) from error


def require_ours(runs: OwnRuns, state: State | None, source: str, notes_dir: Path) -> None:
    """Raises TargetTaken when the target's last writing is not one that this state folder made, or a restore here."""
    if state is None or state.token is None or runs.knows(state.token) or state.token in taken.read(notes_dir):
        return
    last = runs.last
    if last is not None and state.last_run < last.number and state.last_run < runs.all[0].number:
        return  # it went back to before what is remembered: nobody else can have done that
    raise TargetTaken(
        f"run {state.last_run} of the source {source} in the target was not made here: another machine with a copy of this "
        "state folder writes this mirror, or this machine was put back to an earlier time",
        "if this machine is the one that is to write, take over with: ./sidemirror take-over (the other one is refused from "
        "then on); if the other one is, stop this one, or give its bot another SOURCE_NAME and empty volumes/state",
    )


def _identity(path: Path) -> tuple[int, int, int] | None:
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


def _line(run: OwnRun) -> str:
    return f"{'made' if run.made else 'begun'} {run.number} {run.token.hex} {run.at:.0f}\n"
