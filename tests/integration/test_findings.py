"""What SQLite's check finds and does no harm, and what only the bot's own program can read: mirrored, told with its cure, no
alarm."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing

import pytest
from commanding import backup, status
from fix_source import Source
from test_source_faults import GOOD

from mirror.errors import SourceCorrupt, SourceUnsupported


def hide_index(source: Source, file: str, name: str, meanwhile: str, back: bool) -> None:
    """The index as it is after something wrote to the table without it: as a program does that has another SQLite's bug."""
    with source.database(file) as connection:
        [row] = connection.execute("SELECT * FROM sqlite_schema WHERE name = ?", (name,)).fetchall()
        connection.executescript(f"PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = '{name}'")
    with source.database(file) as connection:
        connection.executescript(meanwhile)
        if back:
            connection.execute("PRAGMA writable_schema = ON")
            connection.execute("INSERT INTO sqlite_schema VALUES (?, ?, ?, ?, ?)", row)


def rewrite(source: Source, file: str, before: str, after: str) -> None:
    """A schema as somebody else's SQLite writes it."""
    with source.database(file) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute("UPDATE sqlite_schema SET sql = replace(sql, ?, ?)", (before, after))


def test_what_does_no_harm_is_mirrored_and_remarked_with_its_cure(source: Source) -> None:
    source.write(GOOD + "CREATE INDEX i ON t (b);", "index.db")
    hide_index(source, "index.db", "i", "INSERT INTO t VALUES (3, 'behind its back')", back=True)
    source.write(GOOD + "CREATE INDEX i ON t (b);", "unused.db")
    hide_index(source, "unused.db", "i", "", back=False)
    source.write(
        "CREATE TABLE t (a CHECK (a > 0)); PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (0);",
        "checked.db",
    )
    source.write("CREATE VIRTUAL TABLE f USING fts5 (x); INSERT INTO f VALUES ('some words');", "words.db")
    source.write("UPDATE f_content SET c0 = 'others'", "words.db")
    report = source.run("full")
    counts = {file: len(found) for file, found in report.remarks.items()}
    assert counts == {"checked.db": 0, "index.db": 1, "unused.db": 1, "words.db": 1}
    assert report.run is not None
    source.rebuild(report.run)
    assert source.read_state().database("index.db").tables[0].content.rows == 3  # type: ignore[union-attr]

    assert backup(source, "once", "--full").returncode == 0
    assert backup(source, "drill").returncode == 0
    found = status(source)
    assert found["safe"]
    cures = {remark["subject"]: remark["hint"] for remark in found["outcome"]["remarks"]}
    assert "REINDEX" in cures["index.db"]
    assert "VACUUM" in cures["unused.db"]
    assert "VALUES ('rebuild')" in cures["words.db"]
    assert "Remark: index.db: an index is out of step" in backup(source, "status").stdout.replace("\n", " ")

    source.write("REINDEX", "index.db")
    source.write("DROP TABLE t; VACUUM; CREATE TABLE t (a);", "unused.db")
    source.write("INSERT INTO f (f) VALUES ('rebuild')", "words.db")
    assert {file for file, remarks in source.run("full").remarks.items() if remarks} == set()


def test_an_index_that_keeps_a_key_is_named_with_its_own_cure(source: Source) -> None:
    source.write("CREATE TABLE t (a TEXT); INSERT INTO t VALUES ('x'); CREATE UNIQUE INDEX i ON t (a);", "key.db")
    hide_index(source, "key.db", "i", "INSERT INTO t VALUES ('behind its back')", back=True)
    source.write(
        "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE t (a TEXT PRIMARY KEY)' WHERE name = 't';"
        "UPDATE sqlite_schema SET name = 'sqlite_autoindex_t_1', sql = NULL WHERE name = 'i'",
        "key.db",
    )
    [refusal] = source.try_run("full").refusals
    assert isinstance(refusal.error, SourceCorrupt)
    assert "REINDEX" in refusal.error.hint
    assert "restore nothing" in refusal.error.hint


def collation(source: Source, file: str) -> None:
    with source.database(file) as connection:
        for name in ("mine", "unasked"):
            connection.create_collation(name, lambda a, b: (a < b) - (a > b))
        connection.executescript(
            "CREATE TABLE t (a TEXT COLLATE mine PRIMARY KEY, b COLLATE 'mine', c COLLATE unasked); CREATE INDEX i ON t (b);"
        )
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", [(f"{n:03}", f"{n % 7}", n) for n in range(100)])


def function(source: Source, file: str) -> None:
    with source.database(file) as connection:
        connection.create_function("mine", 1, lambda value: value, deterministic=True)
        connection.executescript(
            "CREATE TABLE t (a CHECK (mine(a) > 0)); INSERT INTO t VALUES (1), (2); CREATE UNIQUE INDEX i ON t (mine(a));"
            "CREATE INDEX j ON t (a) WHERE mine(a); CREATE VIEW v AS SELECT mine(a) FROM t;"
            "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT mine(new.a); END;"
        )


def words(before: str, after: str, module: str = "fts5") -> Callable[[Source, str], None]:
    def make(source: Source, file: str) -> None:
        source.write(
            f"CREATE VIRTUAL TABLE f USING {module} (x, {before}); INSERT INTO f VALUES ('some words'); {GOOD}", file
        )
        rewrite(source, file, before, after)

    return make


def extension(source: Source, file: str) -> None:
    source.write("CREATE TABLE v_chunks (id INTEGER PRIMARY KEY, b); INSERT INTO v_chunks VALUES (1, x'0001');", file)
    with source.database(file) as connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(
            "INSERT INTO sqlite_schema VALUES ('table', 'v', 'v', 0, 'CREATE VIRTUAL TABLE v USING vec0(e float[3])')"
        )


def newer(source: Source, file: str) -> None:
    source.write("CREATE TABLE t (a CHECK (iif(a > 0, 1, 0))); INSERT INTO t VALUES (1);", file)
    rewrite(source, file, "iif", "if")


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (collation, "mine"),
        (function, "mine()"),
        (words("tokenize='ascii'", "tokenize='own_tokenizer'"), "own_tokenizer"),
        (words("tokenize=simple", "tokenize=icu_own", "fts4"), "icu_own"),
        (words("detail=none", "locale=1"), "locale"),
        (extension, "vec0"),
        (newer, ""),
    ],
    ids=["collation", "function", "tokenizer", "fts4", "option", "extension", "newer"],
)
def test_what_only_the_bots_own_program_can_read_is_mirrored(
    make: Callable[[Source, str], None], named: str, source: Source
) -> None:
    make(source, "own.db")
    source.write(GOOD, "good.db")
    report = source.run("full")
    [remark] = report.remarks["own.db"] if named else [None]
    assert named in (remark.what if remark else "")
    drill = backup(source, "drill")
    assert drill.returncode == 0, drill.stdout

    with source.database("own.db") as connection:
        for name in ("mine", "unasked"):
            connection.create_collation(name, lambda a, b: (a < b) - (a > b))
        connection.create_function("mine", 1, lambda value: value, deterministic=True)
        rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
        names = {name for kind, name, _, _ in rows if kind == "table"} & {"t", "v_chunks"}
        for name in names:
            connection.execute(f"DELETE FROM {name} WHERE rowid = 2")
            connection.execute(f"UPDATE {name} SET rowid = rowid + 1000 WHERE rowid = 1")
    report = source.run()
    assert report.committed
    assert report.run is not None
    rebuilt = source.rebuild(report.run)["own.db"]  # equal by its content hash
    with closing(sqlite3.connect(rebuilt)) as connection:
        again = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema").fetchall()
    assert sorted(again, key=str) == sorted(rows, key=str)
    assert source.run("full").committed is False


def test_a_value_that_only_the_bots_own_program_can_make_is_refused(source: Source) -> None:
    with source.database("own.db") as connection:
        connection.create_function("mine", 1, lambda value: 1, deterministic=True)
        connection.executescript("CREATE TABLE t (a, g AS (mine(a))); INSERT INTO t (a) VALUES (1);")
    source.write(GOOD, "good.db")
    [refusal] = source.try_run().refusals
    assert "mine" in refusal.error.what


def test_rows_in_an_order_that_is_not_known_here_are_refused(source: Source) -> None:
    with source.database("own.db") as connection:
        for name in ("mine", "unasked"):
            connection.create_collation(name, lambda a, b: (a < b) - (a > b))
        connection.executescript("CREATE TABLE t (a TEXT COLLATE mine PRIMARY KEY) WITHOUT ROWID;")
    [refusal] = source.try_run().refusals
    assert "in the order of the collation mine" in refusal.error.what


def test_a_value_that_could_not_be_written_again_is_told_before_a_restore_needs_it(source: Source) -> None:
    source.write("CREATE TABLE t (a, b); INSERT INTO t VALUES (1, NULL);", "null.db")
    rewrite(source, "null.db", "a, b", "a, b NOT NULL DEFAULT 1")
    [refusal] = source.try_run("full").refusals
    assert isinstance(refusal.error, SourceUnsupported)
    assert "NULL value in t.b" in refusal.error.what
    assert "restore nothing" in refusal.error.hint
