"""sidemirror.changes() and run_at(): what changed between two restore points, held against two restored copies."""

from __future__ import annotations

import itertools
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from fix_source import Source

from backup.thin import thin
from mirror.retention import parse_rules
from mirror.target import connected

DAYS = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, n INTEGER); CREATE TABLE k (x TEXT, y INTEGER, v, PRIMARY KEY (x, y)); "
    "INSERT INTO t VALUES (1, 'one', 1), (2, 'two', NULL), (3, 'three', 3); "
    "INSERT INTO k VALUES ('p', 1, 'v'), ('q', 2, 'w');",
    "UPDATE t SET a = 'ONE' WHERE id = 1; DELETE FROM t WHERE id = 2; INSERT INTO t VALUES (4, NULL, 4); "
    "UPDATE k SET y = 9 WHERE x = 'p'; CREATE TABLE late (id INTEGER PRIMARY KEY, v TEXT); "
    "INSERT INTO late VALUES (1, 'new'), (2, 'short-lived');",
    "UPDATE t SET a = 'one' WHERE id = 1; INSERT INTO t VALUES (2, 'back', 2); DELETE FROM k WHERE x = 'q'; "
    "UPDATE late SET v = 'newer' WHERE id = 1; DELETE FROM late WHERE id = 2;",
    "DROP TABLE k; ALTER TABLE t ADD COLUMN c TEXT; UPDATE t SET c = 'c' WHERE id = 3;",
    "CREATE TABLE k (x TEXT, y INTEGER, v, PRIMARY KEY (x, y)); INSERT INTO k VALUES ('p', 9, 'anew'); DELETE FROM late;",
    "DROP TABLE late; DELETE FROM t WHERE id > 2;",
)
KEYS = {"t": ("id",), "k": ("x", "y"), "late": ("id",)}

Rows = dict[tuple[Any, ...], dict[str, Any]]


def rows(path: Path, table: str) -> Rows:
    """Each row without its NULLs, by key; nothing where there is no such table."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        try:
            found = [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]
        except sqlite3.OperationalError:
            return {}
    return {
        tuple(row[name] for name in KEYS[table]): {name: value for name, value in row.items() if value is not None}
        for row in found
    }


def expected(before: Rows, after: Rows) -> dict[tuple[Any, ...], tuple[str, Any, Any]]:
    found = {}
    for key in {*before, *after}:
        old, new = before.get(key), after.get(key)
        if old != new:
            found[key] = ("inserted" if old is None else "deleted" if new is None else "updated", old, new)
    return found


def told(source: Source, table: str, first: int, last: int) -> dict[tuple[Any, ...], tuple[str, Any, Any]]:
    found = source.target.query(
        "SELECT key, change, before, after FROM sidemirror.changes(%s, 'bot.db', %s, %s, %s)",
        source.name, table, first, last,
    )  # fmt: skip
    assert len({repr(key) for key, *_ in found}) == len(found), "each key once"

    def plain(image: dict[str, Any] | None) -> dict[str, Any] | None:
        return image and {name: value for name, value in image.items() if not name.startswith("_")}

    return {tuple(key): (change, plain(before), plain(after)) for key, change, before, after in found}


@pytest.fixture
def recorded(source: Source) -> Source:
    for day in DAYS:
        source.write(day)
        source.point()
    return source


def keep_only(source: Source, *points: int) -> None:
    """Thins all other points out."""
    now = datetime.now(UTC)
    for run in source.points:
        at = now - timedelta(minutes=1) if run in points else now - timedelta(days=1)
        source.target.query(
            "UPDATE sidemirror.runs SET finished_at = %s WHERE run = %s AND source_id = "
            "(SELECT id FROM sidemirror.sources WHERE name = %s)",
            at, run, source.name,
        )  # fmt: skip
    with connected(source.settings) as connection:
        assert thin(connection, source.name, parse_rules("all:1h"), now) == len(source.points) - len(points)


@pytest.mark.parametrize("table", KEYS)
def test_changes_are_the_differences_between_any_two_restored_copies(table: str, recorded: Source) -> None:
    copies = {run: rows(recorded.rebuild(run)["bot.db"], table) for run in recorded.points}
    for first, last in itertools.combinations(recorded.points, 2):
        found = told(recorded, table, first, last)
        wanted = expected(copies[first], copies[last])
        assert {key: change for key, (change, *_) in found.items()} == {
            key: change for key, (change, *_) in wanted.items()
        }, f"from {first} to {last}"
        assert found == wanted, f"from {first} to {last}"


def test_changes_between_kept_points_are_the_same_after_thinning(recorded: Source) -> None:
    pairs = [(table, *pair) for table in KEYS for pair in ((1, 4), (4, 6), (1, 6))]
    before = {pair: told(recorded, *pair) for pair in pairs}
    keep_only(recorded, 1, 4, 6)
    assert {pair: told(recorded, *pair) for pair in pairs} == before


def test_a_point_that_is_thinned_or_a_table_that_is_unknown_is_an_error_and_never_no_changes(recorded: Source) -> None:
    keep_only(recorded, 1, 4, 6)
    refused = [
        (
            ("t", 2, 6),
            r"no restore point 2, or none any more\nHINT:  The last one before it is 1, the first one after it 4",
        ),
        (("t", 4, 5), "has no restore point 5"),
        (("t", 1, 7), "has no restore point 7.*\nHINT:  The last one before it is 6, the first one after it none"),
        (("tt", 1, 6), "has never had a table tt in bot.db"),
    ]
    for asked, said in refused:
        with pytest.raises(psycopg2.Error, match=said):
            told(recorded, *asked)
    assert told(recorded, "t", 0, 1).keys() == {(1,), (2,), (3,)}, "0 is before the first point"


def test_run_at_gives_the_last_point_at_or_before_a_time(recorded: Source) -> None:
    start = datetime(2026, 11, 1, tzinfo=UTC)
    for run in recorded.points:
        recorded.target.query(
            "UPDATE sidemirror.runs SET finished_at = %s WHERE run = %s AND source_id = "
            "(SELECT id FROM sidemirror.sources WHERE name = %s)",
            start + timedelta(hours=run), run, recorded.name,
        )  # fmt: skip

    def run_at(at: str, name: str = recorded.name) -> int | None:
        [(run,)] = recorded.target.query("SELECT sidemirror.run_at(%s, %s)", name, at)
        return run

    assert run_at("2026-11-01T00:59:59Z") is None
    assert run_at("2026-11-01T01:00:00Z") == 1
    assert run_at("2026-11-01T07:59:59+05:00") == 2, "times are instants, whatever their zone"
    assert run_at("2027-01-01T00:00:00Z") == 6
    assert run_at("2027-01-01T00:00:00Z", "nobody") is None


def test_two_sources_with_the_same_files_see_only_their_own_changes(recorded: Source, tmp_path: Path) -> None:
    other = Source(tmp_path / "other", recorded.target)
    for statement in (DAYS[0], "UPDATE t SET a = 'of the other' WHERE id = 2"):
        other.write(statement)
        other.point()
    assert set(told(other, "t", 1, 2)) == {(2,)}
    assert set(told(recorded, "t", 1, 2)) == {(1,), (2,), (4,)}
