"""ALTER TABLE costs what it changes: nothing is sent or kept twice, and every older restore point still comes back equal."""

# ruff: noqa: E501 - SQL in a table of cases
from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from commanding import backup
from fix_source import Source

from backup.thin import thin
from mirror.retention import parse_rules
from mirror.target import connected

ROWS = 3000
START = f"""
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c REAL);
CREATE TABLE k (x TEXT, y INTEGER, v, w BLOB, PRIMARY KEY (x, y));
WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < {ROWS}) INSERT INTO t SELECT i, 'text ' || i, i % 7, i / 3.0 FROM i;
INSERT INTO k SELECT 'key ' || id, id, a, x'00ff' FROM t;
"""
ALTERS = {
    "a column is renamed": "ALTER TABLE t RENAME COLUMN a TO title",
    "the key is renamed": "ALTER TABLE t RENAME COLUMN id TO number",
    "a column is dropped": "ALTER TABLE k DROP COLUMN w",
    "a column is added": "ALTER TABLE t ADD COLUMN d",
    "a column is added with a text": "ALTER TABLE t ADD COLUMN d TEXT NOT NULL DEFAULT 'o''ne\\\n\ttwo'",
    "a column is added with numbers": "ALTER TABLE t ADD COLUMN d REAL DEFAULT 2; ALTER TABLE k ADD COLUMN n NUMERIC DEFAULT 1.5; ALTER TABLE k ADD COLUMN p BOOLEAN DEFAULT 1; ALTER TABLE k ADD COLUMN q BLOB DEFAULT x'5c00'",
    "a table is renamed": "ALTER TABLE k RENAME TO kept",
    "all at once": "ALTER TABLE t RENAME COLUMN a TO title; ALTER TABLE t RENAME TO things; ALTER TABLE k DROP COLUMN v; ALTER TABLE k ADD COLUMN last INTEGER DEFAULT 9",
    "a table is dropped": "DROP TABLE k",
}  # fmt: skip
EDITS = """
UPDATE {t} SET b = 100 WHERE {id} < 4; DELETE FROM {t} WHERE {id} = 10; INSERT INTO {t} ({id}, b) VALUES (9001, 1), (10, 2);
"""


@pytest.mark.parametrize("alter", ALTERS)
def test_nothing_is_sent_or_kept_for_rows_that_did_not_change(alter: str, source: Source) -> None:
    source.environ["GUARD_SHRINK"] = "50%" if "dropped" not in alter else "off"
    source.write(START)
    source.point()
    source.write("UPDATE t SET b = 5 WHERE id = 1; UPDATE k SET v = 'was' WHERE y = 2; DELETE FROM k WHERE y = 3")
    source.point()
    source.write(ALTERS[alter])
    report = source.point()
    assert report.counts.upserted == 0
    assert report.counts.bytes_sent < 20_000
    assert source.target.query("SELECT count(*) FROM sidemirror.history WHERE run = %s", report.run) == [(0,)]
    source.verify()

    tables = {"things", "t"} & {table.mirror.name for table in source.read_state().databases[0].tables}
    number = "number" if alter == "the key is renamed" else "id"
    source.write(EDITS.format(t=tables.pop(), id=number))
    report = source.point()
    assert report.counts.upserted < 10
    source.verify()
    assert not source.run("full").committed


def test_a_table_goes_through_many_shapes_and_every_point_comes_back(source: Source) -> None:
    source.write(START)
    for script in (
        "UPDATE t SET a = 'first' WHERE id < 9",
        "ALTER TABLE t RENAME COLUMN a TO z; UPDATE t SET z = 'second' WHERE id < 7",
        "ALTER TABLE t RENAME COLUMN z TO a; UPDATE t SET a = 'third' WHERE id < 5; DELETE FROM t WHERE id = 1",
        "ALTER TABLE t DROP COLUMN b; UPDATE t SET a = 'fourth' WHERE id IN (2, 20)",
        "ALTER TABLE t ADD COLUMN d DEFAULT 'some'; UPDATE t SET d = 5 WHERE id = 3; INSERT INTO t (id, a) VALUES (1, 'again')",
        "UPDATE t SET d = NULL WHERE id < 6; ALTER TABLE t RENAME TO s",
        "ALTER TABLE s RENAME COLUMN a TO aa; ALTER TABLE s ADD COLUMN e INTEGER DEFAULT 'no number'",
        "ALTER TABLE s ADD COLUMN b INTEGER; UPDATE s SET b = 1 WHERE id = 4",
        "UPDATE s SET b = 1; DELETE FROM s WHERE id = 5",
        "ALTER TABLE s RENAME TO t_old; CREATE TABLE s (id INTEGER PRIMARY KEY, x); INSERT INTO s VALUES (1, 2)",
        "ALTER TABLE t_old RENAME COLUMN c TO d2; ALTER TABLE s RENAME TO t; ALTER TABLE k RENAME COLUMN v TO u",
        "DROP TABLE t_old; ALTER TABLE k RENAME COLUMN u TO v; ALTER TABLE k DROP COLUMN w; UPDATE k SET v = 1 WHERE y = 9",
    ):  # fmt: skip
        source.write(script)
        source.point()
    source.verify()
    assert not source.run("full").committed


def test_what_changed_is_told_across_shapes(source: Source) -> None:
    source.write(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two'), (3, 'three')"
    )
    source.point()
    source.write("ALTER TABLE t RENAME COLUMN a TO b; ALTER TABLE t ADD COLUMN c INTEGER DEFAULT 7")
    source.point()
    source.write("UPDATE t SET b = 'zwei' WHERE id = 2")
    source.point()

    def changes(before: int, after: int) -> list[tuple[object, ...]]:
        return source.target.query(
            "SELECT key->>0, change, before, after FROM sidemirror.changes(%s, 'bot.db', 't', %s, %s) ORDER BY 1",
            source.name, before, after,
        )  # fmt: skip

    assert changes(2, 3) == [("2", "updated", {"id": 2, "b": "two", "c": 7}, {"id": 2, "b": "zwei", "c": 7})]
    assert changes(1, 3)[1] == ("2", "updated", {"id": 2, "a": "two"}, {"id": 2, "b": "zwei", "c": 7})
    assert len(changes(1, 3)) == 3


def test_a_name_that_another_column_had_is_not_given_again(source: Source) -> None:
    source.write(START)
    source.point()
    for script in ("ALTER TABLE t DROP COLUMN b", "ALTER TABLE t ADD COLUMN b INTEGER DEFAULT 3", "UPDATE t SET b = 4"):
        source.write(script)
        source.point()
    source.verify()


def test_a_repair_keeps_what_stands_aside(source: Source) -> None:
    source.write(START)
    source.point()
    source.write("ALTER TABLE k DROP COLUMN w")
    source.point()
    mirror = f'"{source.read_state().databases[0].schema_name}".k'
    for edit in (f"UPDATE {mirror} SET v = 'edited' WHERE y < 5", f"ALTER TABLE {mirror} ADD COLUMN mine text"):
        source.target.query(edit)
        repaired = backup(source, "repair")
        assert repaired.returncode == 0, repaired.stderr
        source.verify()


def test_what_no_point_needs_any_more_goes(source: Source) -> None:
    source.write(START)
    source.point()
    source.write("ALTER TABLE t RENAME COLUMN a TO title; ALTER TABLE t DROP COLUMN c; DROP TABLE k")
    source.point()
    source.write("UPDATE t SET title = 'new' WHERE id = 1")
    last = source.point().run
    there = "SELECT count(*) FROM pg_class WHERE relname LIKE 'aside%%' AND relkind = 'r' AND relname = ANY (%s)"
    [aside] = source.target.query(
        "SELECT array_agg('aside_' || t.id) FROM sidemirror.tables AS t JOIN sidemirror.databases AS d "
        "ON d.id = t.database_id JOIN sidemirror.sources AS s ON s.id = d.source_id "
        "WHERE t.dropped_run IS NOT NULL AND s.name = %s",
        source.name,
    )
    assert source.target.query(there, *aside) == [(1,)]
    with connected(source.settings) as connection:
        assert thin(connection, source.name, parse_rules("all:1s"), datetime.now(UTC) + timedelta(days=1)) == 2
    assert source.target.query(there, *aside) == [(0,)]
    [database] = source.read_state().databases
    assert [(table.set_aside, table.aliases) for table in database.tables] == [({}, {})]
    source.points = {run: files for run, files in source.points.items() if run == last}
    source.verify()
    assert not source.run("full").committed
    source.write("ALTER TABLE t ADD COLUMN c REAL DEFAULT 2.5; UPDATE t SET title = 'newer' WHERE id = 2")
    source.point()
    source.verify()
