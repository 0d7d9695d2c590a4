"""What a month costs at the target: sent, received and stored, for a quiet, a usual and a busy bot.

Each kind of run is measured on a wire that counts, with a new connection and with one that is kept; the month is what
such bots do, in these. Supabase counts what is received here as egress, and what is stored as the database's size.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from bench import data
from bench.measure import Figure
from bench.place import Place
from bench.wire import Wire, counted

DAYS = 30
FREE_EGRESS, FREE_STORED = 5_000_000_000, 500_000_000
ROWS_A_RUN = 3
KEPT_CONNECTION = timedelta(seconds=60)
# Of the default RETENTION: all of the last day, then the hours of a week and the days of a month.
HOURS_KEPT, DAYS_KEPT = 6 * 24, 23


@dataclass(frozen=True)
class Bot:
    """`changes`: runs by change a day, in so many hours; they fall on `rows` different rows."""

    name: str
    changes: int
    hours: int
    rows: int

    @property
    def connects_anew(self) -> bool:
        return timedelta(hours=self.hours) / self.changes > KEPT_CONNECTION

    @property
    def points(self) -> int:
        """Restore points that are kept."""
        return self.changes + min(HOURS_KEPT, 6 * self.changes) + DAYS_KEPT

    @property
    def images(self) -> int:
        """Before-images that are kept: where points are merged, one of each row at most."""
        changed = self.changes * ROWS_A_RUN
        hourly = min(self.rows, changed // self.hours) * 6 * self.hours
        return changed + hourly + DAYS_KEPT * min(self.rows, changed)


BOTS = (Bot("a quiet bot", 50, 24, 100), Bot("a usual bot", 1_000, 24, 1_000), Bot("a busy bot", 28_800, 8, 5_000))


@dataclass(frozen=True)
class Cost:
    """Bytes on the wire."""

    sent: int = 0
    received: int = 0

    def times(self, count: float) -> Cost:
        return Cost(round(self.sent * count), round(self.received * count))

    def plus(self, other: Cost) -> Cost:
        return Cost(self.sent + other.sent, self.received + other.received)


@dataclass(frozen=True)
class Costs:
    """Of one of each; `stored`: bytes of the mirror, and of the target for each restore point and each before-image."""

    anew: Cost  # a run by change that has to connect
    kept: Cost  # one on a connection that is open
    nothing: Cost
    full: Cost
    drill: Cost
    stored: int
    point: float
    image: float


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """A database of a hundredth of the rows in each table, and a document; a full run every six hours, a drill a day."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, max(rows // 100, 1000))
    (place.folder / "json" / "data.json").write_text("{}", encoding="utf-8")
    costs = _measured(place, database, 100 if rounds > 1 else 4)
    found = [
        Figure("a run that finds nothing new", *_told(costs.nothing)),
        Figure(f"a run of {ROWS_A_RUN} changed rows, the connection kept", *_told(costs.kept)),
        Figure("the same on a new connection", *_told(costs.anew)),
        Figure("a full run without a change", *_told(costs.full)),
        Figure(f"a drill of {costs.stored / 1e6:.1f} MB", *_told(costs.drill)),
        Figure("stored", f"{costs.point:.0f} bytes a restore point", f"{costs.image:.0f} bytes a before-image"),
    ]
    return found + [_month(bot, costs) for bot in BOTS]


def _month(bot: Bot, costs: Costs) -> Figure:
    change = costs.anew if bot.connects_anew else costs.kept
    day = change.times(bot.changes).plus(costs.full.times(4)).plus(costs.drill)
    month, stored = day.times(DAYS), costs.stored + bot.points * costs.point + bot.images * costs.image
    return Figure(
        f"a month of {bot.name}: {bot.changes:,} changes a day",
        f"sent {month.sent / 1e6:,.0f} MB, received {month.received / 1e6:,.0f} MB, stored {stored / 1e6:,.0f} MB",
        f"{month.received / FREE_EGRESS:.1%} of 5 GB, {stored / FREE_STORED:.1%} of 500 MB",
        "a free plan",
        month.received <= FREE_EGRESS and stored <= FREE_STORED,
    )


def _told(cost: Cost) -> tuple[str, str]:
    return f"sent {cost.sent / 1000:,.1f} kB", f"received {cost.received / 1000:,.2f} kB"


def _measured(place: Place, database: Path, runs: int) -> Costs:
    from backup.config import BackupSettings
    from backup.drill import drill
    from backup.run import run
    from backup.session import Session
    from mirror import settings

    with counted() as wire, closing(Session()) as session:
        config = settings.load(BackupSettings, wire.environ(place))

        def one(kind: str) -> Cost:
            wire.reset()
            report = run(config, kind, session=session)
            assert not report.refusals
            return _cost(wire)

        def changed(rows: int, anew: bool = False) -> Cost:
            _change(database, rows)
            if anew:
                session.connection.close()
            return one("change")

        one("full")
        changed(ROWS_A_RUN)
        kept, anew = changed(ROWS_A_RUN), changed(ROWS_A_RUN, anew=True)
        nothing, full = one("change"), one("full")
        wire.reset()
        assert drill(config).ok
        drilled = _cost(wire)
        sizes = [_size(place)]
        for rows in (1, 1 + 10 * ROWS_A_RUN):
            for _ in range(runs):
                changed(rows)
            sizes.append(_size(place))
    few, many = (sizes[1] - sizes[0]) / runs, (sizes[2] - sizes[1]) / runs
    image = max(0.0, (many - few) / (10 * ROWS_A_RUN))
    return Costs(anew, kept, nothing, full, drilled, sizes[0], max(0.0, few - image), image)


def _cost(wire: Wire) -> Cost:
    return Cost(wire.sent, wire.received)


def _change(database: Path, rows: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("UPDATE payments SET stars_amount = stars_amount + 1 WHERE id <= ?", (rows,))
        connection.commit()


def _size(place: Place) -> int:
    """Bytes of live rows and their indexes: what the files have beyond that, autovacuum gives to the next rows."""
    with closing(place.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT format('%I.%I', schemaname, tablename) FROM pg_tables "
            "WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"
        )
        for (name,) in cursor.fetchall():
            cursor.execute(f"VACUUM FULL {name}")
        cursor.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE c.relkind = 'r' AND n.nspname NOT IN ('pg_catalog', 'information_schema')"
        )
        [(size,)] = cursor.fetchall()
    return int(size)
