"""The answer at a glance: what the sidecar last knew of itself, and whether the sidecar is still there to know it."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from backup import outcome, turns
from backup.alive import last_beat
from backup.answer import State, answer
from backup.health import LOST_SECONDS
from backup.outcome import STATUS_FILE, Outcome
from backup.view.store import FILE

# Before the first run has told it: BACKUP_EVERY's default, and the grace.
LIMIT_SECONDS = 22_200.0


@dataclass(frozen=True)
class Glance:
    """`state` is the colour, `sentence` the answer; `age` is the one figure for freshness, in seconds."""

    state: State
    sentence: str
    age: float | None
    limit: float
    heard: float | None
    known: Outcome
    hint: str = ""

    @property
    def safe(self) -> bool:
        return self.state == "safe"

    @property
    def equal_at(self) -> float | None:
        return None if self.known.equal_at is None else datetime.fromisoformat(self.known.equal_at).timestamp()


def look(state_dir: Path, facts: dict[str, Any], now: datetime | None = None) -> Glance:
    """The answer as of now."""
    now = now or datetime.now(UTC)
    known = outcome.read(state_dir)
    age = known.seconds_since_equal(now)
    limit = float(facts.get("limit_seconds", LIMIT_SECONDS))
    beat = last_beat(state_dir)
    heard = None if beat is None else max(0.0, now.timestamp() - beat)
    # Whether the run's process is there cannot be seen from this container; where it is not, nothing is heard, either.
    turn = turns.read(state_dir) if heard is not None and heard <= LOST_SECONDS else None
    late = turn if turn is not None and turn.late else None
    told = math.inf if heard is None else heard
    found = answer(known, age, limit, str(facts.get("host", "")), heard=told, turn=late)
    return Glance(found.state, found.sentence, age, limit, heard, known, found.hint)


def version(state_dir: Path) -> str:
    """Another one as soon as the sidecar has written anything that the page shows."""
    marks = []
    for name in (STATUS_FILE, FILE, "events.jsonl"):
        try:
            found = os.stat(state_dir / name)  # noqa: PTH116 - a stat a second for each reader
            marks.append(f"{found.st_ino:x}.{found.st_mtime_ns:x}")
        except OSError:
            marks.append("-")
    return "/".join(marks)
