"""How often drills are made, and what is remembered of them."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from backup import events, outcome
from backup.answer import took
from backup.config import BackupSettings
from backup.drill import Drill, drill, last
from backup.outcome import DrillTold, Outcome
from backup.remember import remember
from mirror.catalog import read_state
from mirror.errors import DrillFailed, SidemirrorError
from mirror.target import connected

BUDGET_PERIOD = timedelta(days=30)
FIRST_AFTER = timedelta(minutes=5)  # the first drill of all does not wait for a day

log = logging.getLogger(__name__)


def every(settings: BackupSettings, known: Outcome) -> timedelta | None:
    """The pause between two drills: DRILL_EVERY, or longer where DRILL_BUDGET allows fewer. None: no drills."""
    if settings.drill_every is None:
        return None
    if settings.drill_budget is None or known.drill is None:
        return settings.drill_every
    return max(settings.drill_every, BUDGET_PERIOD * (known.drill.bytes / settings.drill_budget))


def left(settings: BackupSettings, known: Outcome, at: datetime) -> timedelta | None:
    """What is left to wait for the next drill; None when there will be none."""
    pause = every(settings, known)
    if pause is None or known.drill is None:
        return pause and min(pause, FIRST_AFTER)
    return max(timedelta(0), min(pause, datetime.fromisoformat(known.drill.at) + pause - at))


def recall(settings: BackupSettings) -> Outcome:
    """The outcome with the last drill in it; a state folder that was lost is told by the target. Raises TargetError."""
    known = outcome.read(settings.state_dir)
    if known.drill is not None:
        return known
    with connected(settings) as connection:
        state = read_state(connection, settings.source_name)
        found = last(connection, state.source_id) if state else ()
    for done in found:
        known = _with(known, done)
        outcome.write(settings.state_dir, known)
    return known


def is_due(settings: BackupSettings) -> bool:
    """Whether none was made in the meantime. Raises TargetError."""
    known = recall(settings)
    return known.drill is None or left(settings, known, datetime.now(UTC)) == timedelta(0)


def drill_and_remember(settings: BackupSettings) -> Drill:
    """One drill, with its result in status.json, the events and the log. Raises what `drill` raises."""
    return remembered(settings, drill(settings))


def remembered(settings: BackupSettings, done: Drill) -> Drill:
    """The drill, written down."""
    before = outcome.read(settings.state_dir)
    remember(settings.state_dir, before, _with(before, done))
    if done.ok:
        events.append(settings.state_dir, events.happened("Drill", "drill", told(done)))
        log.info("%s", told(done))
    else:
        log.error("%s", failure(done))
    return done


def could_not(settings: BackupSettings, error: SidemirrorError) -> None:
    """Remembers that a drill could not be made, as a trouble."""
    before = outcome.read(settings.state_dir)
    remember(settings.state_dir, before, outcome.with_drill_trouble(before, error))


def told(done: Drill) -> str:
    return (
        f"Drill: run {done.run} was restored and is what was mirrored: {done.rows} rows, {done.bytes} bytes downloaded, "
        f"{took(done.seconds)}"
    )


def failure(done: Drill) -> DrillFailed:
    return DrillFailed(
        f"the drill failed, run {done.run} does not come back as it was mirrored: {'; '.join(done.problems)}",
        "somebody changed the mirror: put it right with ./sidemirror repair; nothing is thinned out until a drill is good",
    )


def _with(known: Outcome, done: Drill) -> Outcome:
    result = DrillTold(
        at=done.at.astimezone(UTC).isoformat(timespec="seconds"),
        run=done.run,
        ok=done.ok,
        seconds=round(done.seconds, 3),
        rows=done.rows,
        bytes=done.bytes,
        what="; ".join(done.problems) or None,
    )
    return outcome.with_drill_trouble(replace(known, drill=result), None if done.ok else failure(done))
