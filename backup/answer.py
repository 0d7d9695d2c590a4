"""Am I safe? One word and one sentence from what the sidecar knows of itself: the same for status, page and metrics."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from backup.health import LOST_SECONDS
from backup.outcome import Outcome
from backup.turns import HINT, Turn

# A source that was not equal to its target for longer than this beyond BACKUP_EVERY is not safe.
GRACE_SECONDS = 600

LOST_HINT = (
    "see why: ./sidemirror logs backup; then ./sidemirror stop backup, if it runs, and ./sidemirror start backup"
)

State = Literal["safe", "empty", "late", "wrong", "stopped", "lost"]


@dataclass(frozen=True)
class Answer:
    """`state` says which case it is; `sentence` says it to a person, `hint` what to do where no trouble does."""

    state: State
    sentence: str
    hint: str = ""

    @property
    def safe(self) -> bool:
        return self.state == "safe"


def limit_seconds(backup_every: timedelta) -> float:
    """How old the last equality may be."""
    return backup_every.total_seconds() + GRACE_SECONDS


def place(host: str) -> str:
    """The target in one word, by its host."""
    return "Supabase" if host.endswith((".supabase.com", ".supabase.co")) else "Postgres"


def answer(
    known: Outcome,
    age: float | None,
    limit: float,
    host: str = "",
    target_error: str | None = None,
    heard: float | None = None,
    turn: Turn | None = None,
) -> Answer:
    """The answer. `age`: seconds since source and target were equal; `limit`: how many are still well.

    `target_error` is what was found when the target was asked just now; None when it was not asked, or is well.
    `heard`: seconds since the sidecar's last sign of life; None when that does not count. `turn`: in which a run hangs.
    """
    if turn is not None:
        return Answer("wrong", f"NOT SAFE: {turn.told}; nothing is mirrored meanwhile.", HINT)
    if heard is not None and heard > LOST_SECONDS:
        return Answer("lost", _lost(heard, known), LOST_HINT)
    as_of = "nothing was mirrored yet" if age is None else f"everything up to {known.equal_at} is in {place(host)}"
    if known.stopped:
        return Answer(
            "stopped", f"NOT SAFE: {as_of}; nothing is tried any more until a person has changed something (below)."
        )
    if known.troubles:
        return Answer("wrong", f"NOT SAFE: {as_of}; something is wrong since {known.troubles[0].since} (below).")
    if target_error:
        return Answer(
            "wrong", "NOT SAFE: the target does not have now what was mirrored, or cannot be reached (below)."
        )
    if age is None or known.run is None:  # looked at, perhaps, and there was nothing: that is no safety
        return Answer(
            "empty",
            "Not yet: nothing was mirrored yet.",
            "let the bot write something; what the sidecar finds: ./sidemirror check",
        )
    if age > limit:
        hint = "see what it does: ./sidemirror logs backup; or have a run now: ./sidemirror backup"
        return Answer("late", f"NOT SAFE: {as_of}; the last good run is too long ago.", hint)
    return Answer("safe", f"Safe: {as_of} ({ago(age)} ago){_last_drill(known)}.")


def _lost(heard: float, known: Outcome) -> str:
    since = "has never been heard from" if heard == math.inf else f"has not been heard from for {ago(heard)}"
    as_of = f"; everything up to {known.equal_at} was mirrored" if known.equal_at else ""
    return f"NOT KNOWN: the sidecar {since}{as_of}. What stands below is old."


def _last_drill(known: Outcome) -> str:
    if known.drill is None or not known.drill.ok:
        return ""
    age = (datetime.now(UTC) - datetime.fromisoformat(known.drill.at)).total_seconds()
    return f"; the last drill, {ago(age)} ago, took {took(known.drill.seconds)}"


def took(seconds: float) -> str:
    """How long something was: 0.03 s, 4.1 s."""
    return f"{seconds:.{1 if seconds >= 1 else 2}f} s"


def ago(seconds: float) -> str:
    """A duration as a person says it: 45 s, 30 min, 6 h."""
    whole = max(0, int(seconds))
    return f"{whole} s" if whole < 120 else f"{whole // 60} min" if whole < 7200 else f"{whole // 3600} h"
