"""How far a restore is, while it runs: a bar on a terminal, plain lines where there is none."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from restore.plan import Plan
from restore.room import megabytes

SECONDS_BETWEEN_LINES = 10.0

log = logging.getLogger(__name__)


class Watch:
    """Told of each batch of rows (`watch(table, rows, bytes)`) and of each file that is checked. This one tells nobody."""

    def __init__(self) -> None:
        self.total = self.rows = self.bytes = 0

    @contextmanager
    def during(self, found: Plan) -> Iterator[None]:
        """Around the staging of the plan."""
        self.total = sum(step.rows for step in found.databases) + sum(step.rows for step in found.tables)
        yield

    def __call__(self, table: str, rows: int, size: int) -> None:
        self.rows += rows
        self.bytes += size
        self.show(table)

    def checking(self, file: str) -> None:
        """The rows of a file are all there; it is being verified."""
        self.show(f"checking {file}")

    def show(self, what: str) -> None:
        """Nothing, here."""


class Bar(Watch):
    """On a terminal."""

    @contextmanager
    def during(self, found: Plan) -> Iterator[None]:
        columns = (
            TextColumn("{task.description:<28.28}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
        )
        with super().during(found), Progress(*columns, console=Console(file=sys.stdout)) as self.progress:
            self.task = self.progress.add_task("reading", total=self.total or None, told="")
            yield
            self.progress.update(self.task, description="done", completed=self.total, total=self.total or 1)

    def show(self, what: str) -> None:
        told = f"{self.rows:,} of {self.total:,} rows, {megabytes(self.bytes)}"
        self.progress.update(self.task, description=what, completed=self.rows, told=told)


class Lines(Watch):
    """Without a terminal: a line now and then."""

    @contextmanager
    def during(self, found: Plan) -> Iterator[None]:
        self.began = self.told_at = time.monotonic()
        with super().during(found):
            yield

    def show(self, what: str) -> None:
        now = time.monotonic()
        if now - self.told_at < SECONDS_BETWEEN_LINES:
            return
        self.told_at = now
        left = (now - self.began) * (self.total - self.rows) / self.rows if self.rows else 0.0
        log.info(
            "%s: %d of %d rows (%d %%), %s, about %d s left",
            *(what, self.rows, self.total, 100 * self.rows // max(self.total, 1), megabytes(self.bytes), left),
        )


def watch() -> Watch:
    """The one that fits standard output."""
    return Bar() if sys.stdout.isatty() else Lines()
