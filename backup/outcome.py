"""What a run leaves for people: the log's lines, and status.json for status, health and the next run."""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import TypeAdapter

from backup.state import Moment, read_as, write_atomically
from mirror.errors import SidemirrorError

if TYPE_CHECKING:  # the page reads outcomes, too, and must stay small: no driver, nothing of a run
    from backup.run import Report

STATUS_FILE = "status.json"
REMARK = "Remark"  # the kind of what is only remarked
DRILL = "drill"  # the subject of what is wrong with drills
SIZE_WARNING_SHARE = 0.8

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Trouble:
    """One thing that is wrong: what, what to do, and since when (ISO 8601, UTC)."""

    subject: str  # a file, or "run" for all of it
    what: str
    hint: str
    since: Moment
    kind: str  # the error's class


@dataclass(frozen=True)
class DrillTold:
    """The last drill: when, of which run, what it took (seconds: the measured recovery time; bytes: downloaded)."""

    at: Moment
    run: int
    ok: bool
    seconds: float
    rows: int
    bytes: int
    what: str | None = None


@dataclass(frozen=True)
class Outcome:
    """The sidecar's knowledge of itself. Times are ISO 8601 in UTC; None: never yet."""

    equal_at: Moment | None = None  # the source's content was last known equal to the target's
    tried_at: Moment | None = None
    run: int | None = None
    full_at: Moment | None = None  # a full run looked at everything, and nothing was refused
    next_at: Moment | None = None
    target_bytes: int | None = None  # pg_database_size, as of the last run
    stopped: bool = False  # nothing is tried any more until a person has changed something
    troubles: tuple[Trouble, ...] = ()
    written_at: Moment | None = None  # the target was last seen to take a write
    drill: DrillTold | None = None
    next_drill_at: Moment | None = None
    remarks: tuple[Trouble, ...] = ()  # what SQLite's check found and does the mirror no harm, with its cure: no alarm

    def seconds_since_equal(self, now: datetime) -> float | None:
        """The one figure for freshness, in seconds; None before the first good run.

        A time in the future was written down before the clock was set back: how long ago that was is not known, and
        nothing that is not known counts as fresh.
        """
        return None if self.equal_at is None else abs((now - datetime.fromisoformat(self.equal_at)).total_seconds())


_OUTCOME = TypeAdapter(Outcome)


def read(state_dir: Path) -> Outcome:
    """The last outcome; an empty one where there is none yet, or none that this version can read."""
    return read_as(_OUTCOME, state_dir / STATUS_FILE) or Outcome()


def write(state_dir: Path, outcome: Outcome) -> None:
    """Raises StateError."""
    write_atomically(state_dir / STATUS_FILE, json.dumps(asdict(outcome), indent=1), durable=False)


def succeeded(before: Outcome, report: Report) -> Outcome:
    """After a run that came through; refusals of single files keep the freshness where it was."""
    wrong = [(refusal.file, refusal.error) for refusal in report.refusals]
    equal = not wrong and not report.waiting
    return replace(
        before,
        equal_at=_iso(report.looked_at) if equal else before.equal_at,
        tried_at=_iso(report.looked_at),
        full_at=_iso(report.looked_at) if report.kind == "full" and equal else before.full_at,
        written_at=_iso(report.looked_at) if report.written else before.written_at,
        run=report.run,
        target_bytes=report.target_bytes,
        stopped=False,
        troubles=_troubles(before, wrong),
        remarks=_remarks(before, report),
    )


def _remarks(before: Outcome, report: Report) -> tuple[Trouble, ...]:
    """Those of the files that were checked in this run, and of the others what their last check found."""
    since = {(remark.subject, remark.what): remark.since for remark in before.remarks}
    kept = [r for r in before.remarks if r.subject not in report.remarks and r.subject in report.files]
    for file, found in sorted(report.remarks.items()):
        for remark in found:
            at = since.get((file, remark.what), _iso(report.looked_at))
            kept.append(Trouble(file, remark.what, remark.cure, at, REMARK))
    return tuple(kept)


def failed(before: Outcome, error: SidemirrorError, at: datetime, stopped: bool) -> Outcome:
    """After a run that did not."""
    return replace(before, tried_at=_iso(at), stopped=stopped, troubles=_troubles(before, [("run", error)]))


def tell(report: Report, size_limit: int, runs: int = 1) -> None:
    """The log's lines of a run, or of several that `report` sums up. `size_limit`: bytes that the target may have."""
    if report.target_bytes > SIZE_WARNING_SHARE * size_limit:
        log.warning(
            "The target holds %d MB, %d %% of TARGET_SIZE_LIMIT; at Supabase it turns read-only at the limit. "
            "Try: a shorter RETENTION, or a larger plan",
            report.target_bytes // 1_000_000,
            round(100 * report.target_bytes / size_limit),
        )
    for refusal in report.refusals:
        log.error("%s", refusal.error)
    counts = report.counts
    what = f"run {report.run}" if report.committed else f"nothing changed since run {report.run}"
    if report.run is None:
        what = "nothing to mirror yet"
    if report.refusals:
        log.warning("Partial sync: %s; %d refused, see above", what, len(report.refusals))
        return
    log.info(
        "Last Sync: %s %s, %d rows upserted, %d deleted, %d documents, %d bytes sent, %.2f s%s",
        report.looked_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        what,
        counts.upserted,
        counts.deleted,
        counts.documents,
        counts.bytes_sent,
        report.seconds,
        f" in {runs} runs" if runs > 1 else "",
    )


def _troubles(before: Outcome, wrong: list[tuple[str, SidemirrorError]]) -> tuple[Trouble, ...]:
    """Those of a run; what a drill found wrong stays until a drill is good."""
    return (
        *(_trouble(before, subject, error) for subject, error in wrong),
        *(trouble for trouble in before.troubles if trouble.subject == DRILL),
    )


def _trouble(before: Outcome, subject: str, error: SidemirrorError) -> Trouble:
    since = {trouble.subject: trouble.since for trouble in before.troubles}
    return Trouble(subject, error.what, error.hint, since.get(subject, _iso(datetime.now(UTC))), type(error).__name__)


def with_drill_trouble(outcome: Outcome, error: SidemirrorError | None) -> Outcome:
    """The same, with what is wrong with drills; None: nothing."""
    others = tuple(trouble for trouble in outcome.troubles if trouble.subject != DRILL)
    return replace(outcome, troubles=others if error is None else (*others, _trouble(outcome, DRILL, error)))


def _iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def with_next(outcome: Outcome, next_at: str | None, next_drill_at: str | None) -> Outcome:
    """The same, with the times of the next run and the next drill."""
    return replace(outcome, next_at=next_at, next_drill_at=next_drill_at)
