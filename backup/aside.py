"""What is set aside: files that were refused, each remembered as it was then, so that it is not read again at every run.

It is tried again when it changes and with growing pauses. What takes long to read, or has ended runs, is tried in a
process of its own (alone.py), for which nobody waits. Runs that were ended in a file's turn are counted on the disk.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from pathlib import Path

from backup import turns
from backup.alone import Trials
from backup.state import read_json, write_atomically
from mirror.errors import (
    SidemirrorError,
    SourceBusy,
    SourceCorrupt,
    SourceFault,
    SourceMissing,
    SourceUnreadable,
    SourceUnsupported,
    Stuck,
)

ASIDE_FILE = "aside.json"
ENDS = 2  # so many runs ended in a file's turn, and it is set aside
FIRST_PAUSE, LONGEST_PAUSE = 5.0, 600.0
STUCK_PAUSE, LONGEST_STUCK_PAUSE = 60.0, 6 * 3600.0
# A file that is written to all the time is read for a twentieth of the time at most.
TIMES_WHAT_IT_TOOK = 20.0
CHEAP_SECONDS = 0.2

# What may be over in a moment (a writer's lock, a half-written document) is no refusal before it has lasted so long.
BUSY_SECONDS = 30.0
HALF_WRITTEN_SECONDS = 3.0
LOOK_AGAIN_SECONDS = 0.5

# What a look at the file alone can find; the rest needs the target.
_OF_THE_FILE = (SourceBusy, SourceCorrupt, SourceFault, SourceMissing, SourceUnreadable, SourceUnsupported, Stuck)

HINT = "it is tried again by itself, alone; keep it out of the bot's folder if it is not needed"


@dataclass
class _Refused:
    signature: str
    error: SidemirrorError
    took: float
    at: float
    pause: float
    since: float
    patience: float  # so long it is waited for

    @property
    def waits(self) -> bool:
        return time.monotonic() - self.since < self.patience


@dataclass
class Aside:
    """Kept from run to run. `lasting`: the process goes on after the run, so there is a later one to try again in."""

    lasting: bool = False
    trials: Trials = field(default_factory=Trials)
    _refused: dict[str, _Refused] = field(default_factory=dict)

    def why(
        self, file: str, kind: str, folder: Path, signature: str, state_dir: Path, full: bool = False
    ) -> SidemirrorError | None:
        """Why this file is not to be looked at now; None: it is to be."""
        known = self._refused.get(file)
        if known is None:
            ends = counted(state_dir).get(file, 0)
            if ends < ENDS:
                return None
            known = self._remember(file, kind, "", stuck(file, ends), 0.0)
        if isinstance(known.error, Stuck) or (known.took > CHEAP_SECONDS and isinstance(known.error, _OF_THE_FILE)):
            return self._tried_alone(known, file, kind, folder, signature, state_dir)
        return None if full or self._due(known, signature) else known.error

    def refused(self, file: str, kind: str, signature: str, error: SidemirrorError, took: float) -> None:
        """It was looked at and is refused."""
        if self.lasting:
            self._remember(file, kind, signature, error, took)

    def waits(self, file: str) -> bool:
        """Whether what is wrong with the file may be over in a moment, and is not told yet."""
        return file in self._refused and self._refused[file].waits

    def forget(self, file: str) -> None:
        """It came through, or a person said what is to become of it."""
        self._refused.pop(file, None)

    def close(self) -> None:
        self.trials.close()

    def _remember(self, file: str, kind: str, signature: str, error: SidemirrorError, took: float) -> _Refused:
        before = self._refused.get(file)
        first, longest = (
            (STUCK_PAUSE, LONGEST_STUCK_PAUSE) if isinstance(error, Stuck) else (FIRST_PAUSE, LONGEST_PAUSE)
        )
        same = before is not None and before.signature == signature and type(before.error) is type(error)
        pause = min(max(first, before.pause * 2), longest) if before is not None and same else first
        now = time.monotonic()
        since = before.since if before is not None and type(before.error) is type(error) else now
        known = _Refused(
            signature, error, took, now, max(pause, TIMES_WHAT_IT_TOOK * took), since, _patience(kind, error)
        )
        self._refused[file] = known
        return known

    @staticmethod
    def _due(known: _Refused, signature: str) -> bool:
        since = time.monotonic() - known.at
        if isinstance(known.error, Stuck):
            return since >= known.pause
        if known.waits:
            return since >= LOOK_AGAIN_SECONDS
        return since >= known.pause or (signature != known.signature and since >= TIMES_WHAT_IT_TOOK * known.took)

    def _tried_alone(
        self, known: _Refused, file: str, kind: str, folder: Path, signature: str, state_dir: Path
    ) -> SidemirrorError | None:
        """Begins a trial when it is time; once it is over, its result."""
        if not self.trials.on(file):
            if self.lasting and self._due(known, signature):
                self.trials.begin(state_dir, kind, folder, file)
            return known.error
        over, error = self.trials.end(file)
        if not over:
            return known.error
        if error is None:
            return None
        if isinstance(known.error, Stuck) and not isinstance(error, Stuck):
            error = Stuck(f"{known.error.what}; alone it was read as: {error.what}", HINT)
        return self._remember(file, kind, signature, error, known.took).error


def _patience(kind: str, error: SidemirrorError) -> float:
    if isinstance(error, SourceBusy):
        return BUSY_SECONDS
    return HALF_WRITTEN_SECONDS if isinstance(error, SourceCorrupt) and kind == "document" else 0.0


def stuck(file: str, ends: int) -> Stuck:
    """What is told of a file that runs do not get past."""
    return Stuck(
        f"{file} is set aside: {ends} runs were ended while they were at it (does it take more memory than there is, or "
        "more time than any file of its size?)",
        HINT,
    )


def counted(state_dir: Path) -> dict[str, int]:
    """How many runs were ended in each file's turn since it last came through; "": before any file's turn."""
    ends = read_json(state_dir / ASIDE_FILE).get("ends")
    if not isinstance(ends, dict):
        return {}
    return {file: count for file, count in ends.items() if isinstance(count, int)}


def count(state_dir: Path) -> None:
    """At the beginning of a run: if the last one was ended in a file's turn, that counts; one that hung counts as two."""
    turn = turns.left_over(state_dir)
    if turn is None:
        return
    ends = counted(state_dir)
    ends[turn.file] = ends.get(turn.file, 0) + (ENDS if turn.hung else 1)
    _write(state_dir, ends)


def came_through(state_dir: Path, files: set[str]) -> None:
    """At the end of a run: these were mirrored, or are what was mirrored."""
    ends = counted(state_dir)
    left = {file: number for file, number in ends.items() if file and file not in files}
    if left != ends:
        _write(state_dir, left)


def _write(state_dir: Path, ends: dict[str, int]) -> None:
    write_atomically(state_dir / ASIDE_FILE, json.dumps({"ends": ends}), durable=False)
