"""A restore in one sentence: what, from which point, verified how, how long. For the log, and for the sidecar to tell."""

from __future__ import annotations

import logging
from datetime import UTC, datetime

from mirror.restores import Done, record
from restore.config import Place
from restore.one_file import Left
from restore.plan import Plan
from restore.when import show_time

log = logging.getLogger(__name__)


def sentence(plan: Plan, seconds: float, left: tuple[Left, ...] = ()) -> str:
    parts = []
    if plan.databases or plan.documents:
        rows = sum(step.rows for step in plan.databases)
        parts.append(f"{len(plan.databases)} databases with {rows} rows, {len(plan.documents)} documents")
    parts += [f"{', '.join(step.names)} of {step.database.file} with {step.rows} rows" for step in plan.tables]
    proof = "integrity checked, content equal to the target"
    made = f" of {show_time(plan.at)}" if plan.at else ""
    not_back = f"; NOT brought back: {', '.join(one.file for one in left)}" if left else ""
    return f"Restored run {plan.run}{made}: {'; '.join(parts)}; {proof}; {seconds:.1f} s{not_back}"


def write_down(place: Place, what: str, replaced: str | None) -> None:
    """Leaves it where the sidecar finds it. A full disk is no reason to fail a restore that is done."""
    try:
        record(place.notes_dir, Done(datetime.now(UTC).isoformat(), what, replaced))
    except OSError as error:
        log.warning("The sidecar will not hear of this: %s", error.strerror)
