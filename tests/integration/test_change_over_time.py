"""What happens to a source between two runs: then it is equal to its mirror, and every earlier point still restores."""

# ruff: noqa: E501 - SQL in a table of cases
from __future__ import annotations

import sqlite3
import subprocess
from contextlib import closing

import oracle
import pytest
from fix_source import Source

START = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);
CREATE TABLE k (x TEXT, y INTEGER, v, PRIMARY KEY (x, y));
CREATE TABLE n (v);
CREATE INDEX i ON t (a);
CREATE VIEW w AS SELECT a FROM t;
CREATE TRIGGER g AFTER DELETE ON n BEGIN SELECT 1; END;
INSERT INTO t VALUES (1, 'one', 1), (2, NULL, 2), (3, x'00', 'three');
INSERT INTO k VALUES ('p', 1, 'v1'), ('p', 2, 1.5), ('q', 1, NULL);
INSERT INTO n VALUES (1), (1), ('x');
"""

CHANGES = {
    "rows are inserted": "INSERT INTO t (a) VALUES ('new'); INSERT INTO k VALUES ('r', 9, 9); INSERT INTO n VALUES (1);",
    "rows are updated": "UPDATE t SET a = 'changed' WHERE id < 3; UPDATE k SET v = 'w' WHERE y = 1; UPDATE n SET v = v || 'x';",
    "rows are deleted": "DELETE FROM t WHERE id = 2; DELETE FROM k WHERE x = 'p'; DELETE FROM n WHERE rowid = 2;",
    "all rows are deleted": "DELETE FROM t; DELETE FROM k; DELETE FROM n;",
    "all rows are replaced by equal ones": "CREATE TEMP TABLE s AS SELECT * FROM t; DELETE FROM t; INSERT INTO t SELECT * FROM s; "
    "UPDATE t SET b = 7;",
    "keys change": "UPDATE t SET id = id + 1 WHERE id = 3; UPDATE k SET y = y + 10; UPDATE n SET rowid = 99 WHERE rowid = 1;",
    "keys are swapped": "UPDATE t SET id = -id; UPDATE t SET id = 3 WHERE id = -1; UPDATE t SET id = 1 WHERE id = -3;",
    "a table is created": "CREATE TABLE fresh (id INTEGER PRIMARY KEY, v); INSERT INTO fresh VALUES (5, 'v');",
    "a table is created from rows that leave another": "CREATE TABLE moved AS SELECT * FROM n; DELETE FROM n;",
    "a table is dropped": "DROP TABLE k;",
    "a table is renamed": "ALTER TABLE k RENAME TO renamed; UPDATE renamed SET v = 1;",
    "two tables swap names": "ALTER TABLE t RENAME TO s; ALTER TABLE n RENAME TO t; ALTER TABLE s RENAME TO n;",
    "a table is dropped and made again the same": "DROP TABLE n; CREATE TABLE n (v); INSERT INTO n VALUES (1), ('z');",
    "a table is dropped and made again with another shape": "DROP TABLE t; CREATE TABLE t (a REAL, id TEXT PRIMARY KEY, c); "
    "INSERT INTO t VALUES (1.5, 'k', 2); DROP VIEW w; CREATE VIEW w AS SELECT 1;",
    "a table becomes WITHOUT ROWID": "DROP TABLE k; CREATE TABLE k (x TEXT, y INTEGER, v, PRIMARY KEY (x, y)) WITHOUT ROWID; "
    "INSERT INTO k VALUES ('p', 1, 'v1');",
    "a table becomes a view": "DROP TABLE n; CREATE VIEW n AS SELECT b FROM t;",
    "a column is added": "ALTER TABLE t ADD COLUMN c; ALTER TABLE k ADD COLUMN c BOOLEAN; UPDATE k SET c = 1 WHERE y = 1;",
    "a column is added with a default": "ALTER TABLE t ADD COLUMN c TEXT NOT NULL DEFAULT 'd'; ALTER TABLE n ADD COLUMN d REAL "
    "DEFAULT 1; DELETE FROM t WHERE id = 1; ALTER TABLE n ADD COLUMN e INTEGER DEFAULT '5';",
    "a generated column is added": "ALTER TABLE t ADD COLUMN c AS (b + 1); ALTER TABLE n ADD COLUMN g TEXT AS (v || 'x') VIRTUAL;",
    "a column is dropped": "ALTER TABLE k DROP COLUMN v; ALTER TABLE t DROP COLUMN b;",
    "a column is dropped and added again": "ALTER TABLE t DROP COLUMN b; ALTER TABLE t ADD COLUMN b INTEGER; UPDATE t SET b = id;",
    "a column is renamed": "ALTER TABLE t RENAME COLUMN b TO c; ALTER TABLE k RENAME COLUMN x TO z;",
    "two columns swap names": "ALTER TABLE t RENAME COLUMN a TO z; ALTER TABLE t RENAME COLUMN b TO a; ALTER TABLE t RENAME COLUMN z TO b;",
    "a column is retyped": "CREATE TABLE t2 (id INTEGER PRIMARY KEY, a BLOB, b TEXT); INSERT INTO t2 SELECT * FROM t; DROP VIEW w; "
    "DROP TABLE t; ALTER TABLE t2 RENAME TO t;",
    "a column is retyped to one of the same kind": "CREATE TABLE t2 (id INTEGER PRIMARY KEY, a VARCHAR(9), b BIGINT); "
    "INSERT INTO t2 SELECT * FROM t; DROP VIEW w; DROP TABLE t; ALTER TABLE t2 RENAME TO t;",
    "the key changes": "CREATE TABLE k2 (x TEXT, y INTEGER PRIMARY KEY, v); INSERT INTO k2 SELECT x, rowid, v FROM k; DROP TABLE k; "
    "ALTER TABLE k2 RENAME TO k;",
    "the key's order changes": "CREATE TABLE k2 (x TEXT, y INTEGER, v, PRIMARY KEY (y, x)); INSERT INTO k2 SELECT * FROM k; "
    "DROP TABLE k; ALTER TABLE k2 RENAME TO k;",
    "the key goes": "CREATE TABLE k2 (x TEXT, y INTEGER, v); INSERT INTO k2 SELECT * FROM k; DROP TABLE k; ALTER TABLE k2 RENAME TO k;",
    "a value of the key no longer fits Postgres": "INSERT INTO k VALUES (NULL, 1, 2), ('a' || char(0), 1, 2); DELETE FROM k WHERE y = 2;",
    "an index, a view and a trigger change": "DROP INDEX i; CREATE UNIQUE INDEX i ON t (b, a); DROP VIEW w; CREATE VIEW w AS SELECT 2; "
    "DROP TRIGGER g;",
    "only an index is added": "CREATE INDEX j ON n (v) WHERE v > 1;",
    "rows move in a VACUUM": "DELETE FROM n WHERE rowid = 1; VACUUM;",
    "the journal mode changes": "PRAGMA journal_mode = WAL;",
    "only user_version changes": "PRAGMA user_version = 42;",
    "AUTOINCREMENT comes": "CREATE TABLE auto (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO auto VALUES (70); DELETE FROM auto;",
    "everything is dropped": "DROP TABLE t; DROP TABLE k; DROP TABLE n; DROP VIEW w;",
}  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_every_restore_point_holds_when(change: str, source: Source) -> None:
    source.write(START)
    source.point()
    source.write("INSERT INTO n VALUES ('between'); UPDATE t SET b = 5 WHERE id = 1;")
    source.point()

    source.write(CHANGES[change])
    assert source.point().committed

    source.verify()
    assert not source.run("full").committed


@pytest.mark.parametrize("every", [pytest.param(1, marks=pytest.mark.nightly), 4])
def test_every_restore_point_holds_through_changes_one_after_another(source: Source, every: int) -> None:
    for change in list(CHANGES.values())[::every]:
        source.sqlite.joinpath("bot.db").unlink(missing_ok=True)
        source.write(START)
        source.point()
        source.write(change)
        source.point()
    source.verify()


def test_a_database_is_added_replaced_and_removed(source: Source) -> None:
    source.write(START)
    source.point()
    source.write("CREATE TABLE t (a); INSERT INTO t VALUES (1);", "second.db")
    source.point()

    source.sqlite.joinpath("bot.db").unlink()
    source.write("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (id TEXT PRIMARY KEY); INSERT INTO t VALUES ('other');")
    source.point()

    source.sqlite.joinpath("second.db").unlink()
    [refusal] = source.try_run().refusals
    assert (refusal.file, "not there any more" in refusal.error.what) == ("second.db", True)
    source.verify()

    (source.state / "accepted.json").write_text('{"files": ["second.db"]}')
    source.point()
    source.verify()

    source.write("CREATE TABLE t (a, b); INSERT INTO t VALUES (2, 2);", "second.db")
    source.point()
    source.verify()


def test_databases_of_colliding_names_and_two_sources_stay_apart(source: Source, tmp_path) -> None:
    other = Source(tmp_path / "other", source.target)
    for owner, value in ((source, 1), (other, 2)):
        for file in ("bot.db", "sub_bot.db"):
            owner.write(f"CREATE TABLE t (a); INSERT INTO t VALUES ({value});", file)
        owner.point()
    source.write("INSERT INTO t VALUES (3)", "sub_bot.db")
    source.point()
    other.verify()
    source.verify()
    schemas = [{database.schema_name for database in owner.read_state().databases} for owner in (source, other)]
    assert len(schemas[0] | schemas[1]) == 4


def test_a_file_in_a_subfolder_does_not_collide_with_one_of_the_same_name(source: Source) -> None:
    (source.sqlite / "sub").mkdir()
    for file, value in (("bot.db", 1), ("sub/bot.db", 2), ("sub_bot.db", 3), ("bot.sqlite", 4)):
        source.write(f"CREATE TABLE t (a); INSERT INTO t VALUES ({value});", file)
    run = source.run().run
    assert run is not None
    rebuilt = source.rebuild(run)
    assert {file: oracle.describe(path)["tables"][b"t"] for file, path in rebuilt.items()} == {
        file: [(1, ("integer", value))]
        for file, value in (("bot.db", 1), ("sub/bot.db", 2), ("sub_bot.db", 3), ("bot.sqlite", 4))
    }


def test_the_rebuilt_file_says_the_same_as_the_source_to_sqlites_own_tools(source: Source) -> None:
    source.write(START + "CREATE VIRTUAL TABLE f USING fts5 (x); INSERT INTO f VALUES ('some words'); VACUUM;")
    run = source.run().run
    assert run is not None
    rebuilt = source.rebuild(run)["bot.db"]
    original = source.keep("bot.db", run)

    def told(*command: str) -> str:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    dumps = [sorted(told("sqlite3", str(path), ".dump").splitlines()) for path in (original, rebuilt)]
    assert dumps[0] == dumps[1]
    assert told("sqldiff", str(original), str(rebuilt)) == ""
    with closing(sqlite3.connect(rebuilt)) as connection:
        assert connection.execute("SELECT x FROM f WHERE f MATCH 'words'").fetchall() == [("some words",)]


def test_a_lost_shadow_is_made_again_from_the_target(source: Source) -> None:
    source.write(START)
    source.point()
    shadows = [path for path in source.state.rglob("*.sqlite") if path.is_file()]
    assert shadows
    for shadow in shadows:
        shadow.unlink()
    source.write("UPDATE t SET a = 'after the loss'; DELETE FROM n WHERE rowid = 1;")
    report = source.point()
    assert (report.counts.upserted, report.counts.deleted) == (3, 1)
    source.verify()


def test_an_emptied_utf_16_database_keeps_its_encoding_when_it_is_made_again(source: Source) -> None:
    source.write("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a); INSERT INTO t VALUES ('x')")
    source.point()
    source.write("DROP TABLE t")
    source.point()
    source.verify()
