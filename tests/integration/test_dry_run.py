"""restore --dry-run tells what a restore would change, by value and class, and leaves no trace."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import gallery
import oracle
import pytest
from fix_source import Source
from restoring import another_process, fill_all, fingerprint, restore, restored

from mirror import settings
from restore.config import RestoreSettings
from restore.dry_run import DryRun, dry_run
from restore.request import Request

TYPES = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a, b TEXT);
INSERT INTO t VALUES (1, 1, 'same'), (2, 1, 'x'), (3, 0.0, 'x'), (4, 'a', 'x'), (5, NULL, 'x'), (6, 6, 'gone'),
    (7, x'31', 'n');
CREATE TABLE k (x TEXT COLLATE NOCASE, y INTEGER, v, PRIMARY KEY (x, y));
INSERT INTO k (rowid, x, y, v) VALUES (1, 'a', 1, 'one'), (2, 'b', 2, 'two'), (3, NULL, 3, 'three'), (4, NULL, 3, 'four');
CREATE TABLE w (k TEXT PRIMARY KEY, v) WITHOUT ROWID;
INSERT INTO w VALUES ('a', 1), ('b', 2);
CREATE TABLE same (a); INSERT INTO same VALUES (1);
CREATE INDEX i ON t (a);
PRAGMA user_version = 5;
"""
SINCE = """
UPDATE t SET a = 1.0 WHERE id = 2; UPDATE t SET a = -0.0 WHERE id = 3; UPDATE t SET a = 'A' WHERE id = 4;
UPDATE t SET a = '1' WHERE id = 7; DELETE FROM t WHERE id = 6; INSERT INTO t VALUES (8, 'new', NULL), (9, 'new', 'too');
UPDATE k SET v = 'TWO' WHERE x = 'b'; UPDATE k SET v = 'FOUR' WHERE v = 'four'; UPDATE k SET x = 'A' WHERE x = 'a';
UPDATE w SET v = '2' WHERE k = 'b'; INSERT INTO w VALUES ('c', 3);
CREATE TABLE later (a); INSERT INTO later VALUES (1), (2);
DROP INDEX i; PRAGMA user_version = 6;
"""


def here(source: Source, most: int = 0, **request: Any) -> DryRun:
    return dry_run(settings.load(RestoreSettings, source.environ), Request(**request), most)


def counts(found: DryRun, file: str = "bot.db") -> dict[str, tuple[int | None, ...]]:
    [database] = [each for each in found.databases if each.file == file]
    return {t.name: (t.now, t.then, t.added, t.changed, t.removed) for t in database.tables}


def test_rows_are_counted_by_value_and_class(source: Source) -> None:
    source.write(TYPES)
    source.run()
    source.write(SINCE)
    before = fingerprint(source)
    found = here(source)
    assert counts(found) == {
        "t": (8, 7, 1, 4, 2),
        "k": (4, 4, 1, 2, 1),  # 'A' is another key than 'a': what the mirror would take for another row
        "w": (3, 2, 0, 1, 1),
        "same": (1, 1, 0, 0, 0),
        "later": (2, 0, 0, 0, 2),
    }
    assert set(found.databases[0].schema) == {
        "index i comes",
        "table later goes",
        "user_version becomes 5 (now 6)",
    }
    assert fingerprint(source) == before
    restored(source, "--yes")
    assert here(source).equal


def test_it_tells_a_person_and_a_program_with_examples(source: Source) -> None:
    source.write(TYPES)
    (source.json / "data.json").write_text('{"a": 1, "b": [1, {"c": null}], "gone": true}')
    source.run()
    source.write(SINCE)
    (source.json / "data.json").write_text('{"a": 1.0, "b": [1, {"c": null}], "new": "x"}')
    told = restored(source, "--dry-run", "--examples", "9").stdout
    for line in (
        "t              8          7          1          4          2",
        "+ id = 6, a = 6, b = 'gone'",
        "~ id = 2: a 1.0 -> 1",
        "~ id = 3: a -0.0 -> 0.0",
        "~ id = 7: a '1' -> x'31'",
        "- id = 8, a = 'new', b = NULL",
        "1 more tables are equal",
        "index i comes",
        "values: 1 added, 1 changed, 1 removed",
        "~ $.a: 1.0 -> 1",
        "+ $.gone = true",
        '- $.new = "x"',
        "nothing was changed now",
    ):
        assert line in told, told
    answer = json.loads(restored(source, "--dry-run", "--json", "--examples", "1").stdout)
    [table] = [each for each in answer["databases"][0]["tables"] if each["name"] == "w"]
    assert (table["now"], table["then"], table["added"], table["changed"], table["removed"]) == (3, 2, 0, 1, 1)
    assert table["examples"] == [
        {"now": {"k": "b", "v": "2"}, "then": {"k": "b", "v": 2}},
        {"now": {"k": "c", "v": 3}, "then": None},
    ]
    assert answer["equal"] is False
    assert answer["documents"][0]["examples"][0] == {"path": "$.gone", "now": None, "then": "true"}


def test_single_tables_and_documents(source: Source) -> None:
    fill_all(source)
    source.run()
    source.write("UPDATE t SET a = 'new' WHERE id < 11; DELETE FROM k")
    found = here(source, only=("bot.t", "data.json"))
    assert counts(found) == {"t": (300, 300, 0, 10, 0)}
    assert [each.file for each in found.documents] == ["data.json"]
    assert here(source, only=("sub/wal.k",)).equal


def test_an_older_point_and_a_live_bot(source: Source) -> None:
    fill_all(source)
    source.run()
    source.write("DELETE FROM t WHERE id > 10", "sub/wal.db")
    source.run()
    for statements in (["DELETE FROM t WHERE id = 1"], ["BEGIN IMMEDIATE", "DELETE FROM t WHERE id = 2"]):
        with another_process(source.sqlite / "sub" / "wal.db", "PRAGMA wal_autocheckpoint = 0", *statements):
            before = fingerprint(source)
            assert counts(here(source, run=1), "sub/wal.db")["t"] == (9, 300, 291, 0, 0)
            assert fingerprint(source) == before
    before = fingerprint(source)  # what it wrote stands in the -wal alone
    assert counts(here(source), "sub/wal.db")["t"] == (9, 10, 1, 0, 0)
    assert fingerprint(source) == before
    assert list((source.sqlite / ".sidemirror").iterdir()) == []


def test_a_file_that_is_missing_damaged_or_encoded_otherwise(source: Source) -> None:
    fill_all(source)
    source.run()
    path = source.sqlite / "bot.db"
    path.unlink()
    (source.json / "data.json").unlink()
    missing = here(source, 1)
    assert counts(missing)["t"] == (0, 300, 300, 0, 0)
    assert [(each.there, each.unreadable) for each in missing.databases] == [(False, None), (True, None)]
    assert [(each.now, each.added) for each in missing.documents] == [(None, 2), (2, 0)]
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    (source.json / "data.json").write_bytes(b"{")
    told = restored(source, "--dry-run").stdout
    assert "bot.db: the file that is there cannot be compared: " in told
    assert "it is not JSON, now or then" in told
    assert counts(here(source))["t"] == (None, 300, None, None, None)
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.executescript("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a)")
    assert "UTF-16le" in str(here(source).databases[0].unreadable)


def test_another_schema(source: Source) -> None:
    source.write(TYPES)
    source.run()
    source.write(
        "ALTER TABLE t ADD COLUMN note; UPDATE t SET note = 'x' WHERE id = 1; ALTER TABLE w DROP COLUMN v; DROP TABLE same; "
        "DROP TABLE k; CREATE TABLE k (z PRIMARY KEY) WITHOUT ROWID; INSERT INTO k VALUES (1), (2)"
    )
    found = here(source, 2)
    assert counts(found) == {
        "t": (7, 7, 0, 1, 0),
        "k": (2, 4, 4, 0, 2),
        "w": (2, 2, 0, 2, 0),
        "same": (0, 1, 1, 0, 0),
    }
    notes = {table.name: table.note for table in found.databases[0].tables}
    assert notes["t"] == "the column note is new"
    assert "none is taken for the same" in notes["k"]
    assert any("table t is declared as it was then" in change for change in found.databases[0].schema)


def test_what_it_cannot_do_is_refused_as_a_restore_refuses_it(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    assert restore(source, "--dry-run", "--run", "9").returncode == 11
    assert restore(source, "--dry-run", "--only", "nothing").returncode == 11
    assert restore(source, "--dry-run", "--into", str(tmp_path / "into")).returncode == 2
    source.target.query(f"UPDATE {source.name}_bot.t SET a = 'edited' WHERE id = 1")
    assert restore(source, "--dry-run").returncode == 12


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.nightly if "1,500" in case.name else ()) for case in gallery.ALL[::6]],
    ids=lambda case: case.name,
)
def test_equal_means_equal_for_the_oracle_too(case: Any, source: Source) -> None:
    with source.database() as connection:
        case.make(connection)
    first = source.point()
    assert here(source).equal
    with source.database() as connection:
        case.change(connection)
    kept, now = source.points[first.run or 0]["bot.db"], source.keep("bot.db", 99)
    assert here(source, 3).equal == (oracle.differences(kept, now) == [])
