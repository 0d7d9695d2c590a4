"""The log of a sidecar that may run every second: what is new is told at once, the rest summed up once a minute."""

from __future__ import annotations

import logging
import time
from dataclasses import replace

from backup import outcome
from backup.changes import Counts
from backup.run import Report

QUIET_SECONDS = 60.0

log = logging.getLogger(__name__)


class Teller:
    def __init__(self) -> None:
        self.told_at = -QUIET_SECONDS
        self.refused: frozenset[str] = frozenset()
        self.untold: Report | None = None
        self.runs = 0

    def tell(self, report: Report, size_limit: int) -> None:
        """A run by change is told in full if something is refused that was not, or is no more; others always are."""
        refused = frozenset(str(refusal.error) for refusal in report.refusals)
        news = refused != self.refused
        self.refused = refused
        log.debug("run %s (%s): %s in %.3f s", report.run, report.kind, report.counts, report.seconds)
        if report.committed or report.kind != "change" or news:
            self.untold = report if self.untold is None else _sum(self.untold, report)
            self.runs += 1
        if report.kind != "change" or news:
            self._tell(size_limit)
        self.catch_up(size_limit)

    def catch_up(self, size_limit: int) -> None:
        """Tells what was not told yet, a minute after the last time."""
        if self.untold is not None and time.monotonic() - self.told_at >= QUIET_SECONDS:
            self._tell(size_limit)

    def _tell(self, size_limit: int) -> None:
        assert self.untold is not None
        outcome.tell(self.untold, size_limit, self.runs)
        self.untold, self.runs, self.told_at = None, 0, time.monotonic()


def _sum(before: Report, report: Report) -> Report:
    """Both as one: the later run, with what the two of them sent."""
    one, other = before.counts, report.counts
    counts = Counts(
        one.upserted + other.upserted,
        one.deleted + other.deleted,
        one.documents + other.documents,
        one.bytes_sent + other.bytes_sent,
    )
    return replace(
        report,
        counts=counts,
        seconds=before.seconds + report.seconds,
        committed=before.committed or report.committed,
    )
