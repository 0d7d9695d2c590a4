"""/metrics for Prometheus: the same facts as the page, under the names and in the units that are the custom there.

https://prometheus.io/docs/practices/naming/
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from backup.page import facts as view_facts
from backup.page.glance import Glance, look
from mirror.plain_text import shown

# A source with more tables than this is told by its databases only: each table is a series of its own.
MOST_TABLES = 500

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_COUNTERS = {
    "runs": ("runs", "Runs that came through, with something to mirror or without."),
    "runs_committed": ("restore_points_made", "Runs that committed something: restore points made."),
    "rows_upserted": ("rows_upserted", "Rows sent because they were new or had changed."),
    "rows_deleted": ("rows_deleted", "Rows deleted from the mirror."),
    "documents": ("documents_sent", "Versions of documents sent."),
    "bytes_sent": ("sent_bytes", "Bytes of statements and COPY data sent to the target."),
}


def exposition(state_dir: Path) -> bytes:
    """What Prometheus reads."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Facts(state_dir))
    return generate_latest(registry)


class _Facts(Collector):
    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir

    def describe(self) -> Iterator[Metric]:
        return iter(())

    def collect(self) -> Iterator[Metric]:
        with view_facts.opened(self.state_dir) as view:
            told = view_facts.facts(view)
            glance = look(self.state_dir, told)
            yield from _answer(glance)
            if view is not None:
                yield from _target(view, told)
                yield from _runs(view)
                yield from _drills(view)
                yield from _source(view)


def _gauge(name: str, told: str, value: float | None) -> Iterator[GaugeMetricFamily]:
    """Nothing at all where there is no value: an absent series is honest, a zero is not."""
    if value is not None:
        yield GaugeMetricFamily(f"sidemirror_{name}", told, value=value)


def _answer(glance: Glance) -> Iterator[Metric]:
    known = glance.known
    yield from _gauge("safe", "1 when source and target were equal recently and nothing is wrong.", float(glance.safe))
    yield from _gauge("sidecar_up", "1 when the sidecar was heard from lately.", float(glance.state != "lost"))
    yield from _gauge("freshness_seconds", "Seconds since source and target were last known to be equal.", glance.age)
    yield from _gauge("freshness_limit_seconds", "How many of them are still well.", glance.limit)
    yield from _gauge("last_equal_timestamp_seconds", "When source and target were last known equal.", glance.equal_at)
    yield from _gauge("stopped", "1 when nothing is tried any more until a person acts.", float(known.stopped))
    troubles = GaugeMetricFamily("sidemirror_troubles", "What is wrong now, by kind of error.", labels=["kind"])
    kinds = [trouble.kind for trouble in known.troubles]
    for kind in sorted(set(kinds)):
        troubles.add_metric([kind], kinds.count(kind))
    yield troubles
    remarks = GaugeMetricFamily(
        "sidemirror_remarks", "What SQLite's check found that does the mirror no harm.", labels=["database"]
    )
    subjects = [remark.subject for remark in known.remarks]
    for subject in sorted(set(subjects)):
        remarks.add_metric([subject], subjects.count(subject))
    yield remarks


def _target(view: sqlite3.Connection, told: dict[str, Any]) -> Iterator[Metric]:
    size = view.execute("SELECT bytes FROM sizes ORDER BY at DESC LIMIT 1").fetchone()
    yield from _gauge("target_size_bytes", "Size of the target database.", size and size[0])
    yield from _gauge("target_limit_bytes", "TARGET_SIZE_LIMIT.", told.get("size_limit"))
    [(count, oldest)] = view.execute("SELECT count(*), min(at) FROM points")
    yield from _gauge("restore_points", "Restore points that are kept.", count)
    yield from _gauge("oldest_restore_point_timestamp_seconds", "When the oldest of them was made.", oldest)


def _runs(view: sqlite3.Connection) -> Iterator[Metric]:
    for name, value in view.execute("SELECT name, value FROM counters"):
        if name in _COUNTERS:
            metric, told = _COUNTERS[name]
            yield CounterMetricFamily(f"sidemirror_{metric}", told, value=value)
    last = view.execute("SELECT at, seconds FROM tries ORDER BY at DESC LIMIT 1").fetchone()
    if last is not None:
        yield from _gauge("last_run_timestamp_seconds", "When the last run that came through ended.", last[0])
        yield from _gauge("last_run_duration_seconds", "How long it took.", last[1])
    lag = view.execute("SELECT lag FROM tries WHERE lag IS NOT NULL ORDER BY at DESC LIMIT 1").fetchone()
    yield from _gauge("last_lag_seconds", "From the source's last write to its commit in the target.", lag and lag[0])


def _drills(view: sqlite3.Connection) -> Iterator[Metric]:
    last = view.execute("SELECT at, ok, seconds FROM drills ORDER BY at DESC LIMIT 1").fetchone()
    if last is not None:
        yield from _gauge("last_drill_timestamp_seconds", "When a restore was last rehearsed.", last[0])
        yield from _gauge("last_drill_ok", "1 when what was restored was what had been mirrored.", last[1])
        yield from _gauge("last_drill_duration_seconds", "How long the restore took.", last[2])


def _source(view: sqlite3.Connection) -> Iterator[Metric]:
    databases = view_facts.databases(view)
    size = GaugeMetricFamily("sidemirror_database_size_bytes", "Size of the bot's file.", labels=["database"])
    rows = GaugeMetricFamily("sidemirror_database_rows", "Rows in the mirror of a database.", labels=["database"])
    exact = GaugeMetricFamily(
        "sidemirror_database_exact_rows", "Rows with a value that its column cannot hold.", labels=["database"]
    )
    of_table = GaugeMetricFamily(
        "sidemirror_table_rows", "Rows in the mirror of a table.", labels=["database", "table"]
    )
    few = sum(len(database.tables) for database in databases) <= MOST_TABLES
    for database in databases:
        if database.bytes is not None:
            size.add_metric([shown(database.file)], database.bytes)
        rows.add_metric([shown(database.file)], database.mirror)
        exact.add_metric([shown(database.file)], database.exact)
        for table in database.tables if few else ():
            of_table.add_metric([shown(database.file), shown(table.name)], table.mirror)
    yield from (size, rows, exact, of_table)
    [(documents,)] = view.execute("SELECT count(*) FROM documents WHERE NOT gone")
    yield from _gauge("documents", "Documents in the mirror.", documents)
