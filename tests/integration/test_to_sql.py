"""restore --to-sql: Debian's sqlite3 command makes of it what was mirrored, by the oracle and by content hash."""

from __future__ import annotations

import resource
import sqlite3
import struct
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import gallery
import oracle
import pytest
from fix_source import Source
from hypothesis import given
from hypothesis import strategies as st
from restoring import described, fill_all, fingerprint, restore, restored

from mirror import settings
from mirror.inspection import header_journal_mode, inspect
from restore.config import RestoreSettings
from restore.request import Request
from restore.sql_values import literal, real_literal, text_literal
from restore.to_sql import to_sql


def read_back(dump: Path) -> Path:
    """A database that the sqlite3 command has made of a dump."""
    made = dump.with_suffix(".db")
    with dump.open("rb") as file:
        result = subprocess.run(["sqlite3", str(made)], stdin=file, capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    return made


def here(source: Source, file: Path, **request: Any) -> list[Path]:
    return [path for path, _ in to_sql(settings.load(RestoreSettings, source.environ), Request(**request), file).files]


# "400 columns of text" and "values of megabytes" stand for these.
LONG = ("1,500 columns", "thousands of rows", "values of megabytes in small and large tables, UTF-16be")


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=pytest.mark.nightly if case.name in LONG else ()) for case in gallery.ALL],
    ids=lambda case: case.name,
)
def test_a_dump_makes_what_was_mirrored(case: Any, source: Source, tmp_path: Path) -> None:
    with source.database() as connection:
        case.make(connection)
        case.change(connection)
    run = source.point().run or 0
    [dump] = here(source, tmp_path / "dump.sql")
    made = read_back(dump)
    assert oracle.differences(source.points[run]["bot.db"], made) == []
    [database] = source.read_state().databases
    assert inspect(made, header_journal_mode(made)).content_hash == database.content_hash


WRITTEN_STRANGELY = (
    "CREATE TABLE t ( -- a comment inside\n a TEXT, -- and one more\n b)",
    "CREATE TABLE u (a) -- at the end",
    "CREATE TABLE v (a) /* at the end; too */",
    "CREATE TABLE w (\r\n a TEXT DEFAULT 'x\r\ny'\r\n)",
    "CREATE INDEX i ON t (a) -- of an index",
    "CREATE VIEW x AS SELECT a FROM t -- of a view",
    "CREATE VIEW y AS\r\nSELECT 'a\r\nb' AS c\n;\n",
    "CREATE TRIGGER z AFTER INSERT ON t BEGIN\n SELECT 1; -- in a trigger;\n SELECT 2;\nEND -- after it",
    "INSERT INTO w DEFAULT VALUES",
    "INSERT INTO t VALUES ('.tables', '--'), ('.quit' || char(10) || '.quit', ';'), (char(10) || '#', char(13, 10))",
)


def test_statements_that_the_shell_could_mistake(source: Source, tmp_path: Path) -> None:
    with source.database() as connection:
        for statement in WRITTEN_STRANGELY:
            connection.execute(statement)
    source.run()
    [dump] = here(source, tmp_path / "dump.sql")
    assert oracle.differences(source.sqlite / "bot.db", read_back(dump)) == []


def test_large_values_are_written_in_pieces(source: Source, tmp_path: Path) -> None:
    size = 12_000_000
    with source.database() as connection:
        connection.execute("CREATE TABLE t (a, b TEXT, c)")
        connection.execute("INSERT INTO t VALUES (randomblob(?), 'x', 1.5)", (size,))
        connection.execute("INSERT INTO t VALUES (2, ?, 1.5)", ("é\n" * (size // 3),))
        connection.execute("INSERT INTO t VALUES (CAST(randomblob(3000000) AS TEXT), NULL, -0.0)")
    source.run()
    restored(source, "--yes", "--into", str(tmp_path / "into"))
    usual = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    restored(source, "--to-sql", str(tmp_path / "dump.sql"))
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss <= 1.1 * usual, "more memory than the restore itself"
    assert oracle.differences(source.sqlite / "bot.db", read_back(tmp_path / "dump.sql")) == []


def test_several_databases_are_several_files_and_documents_are_told(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    expected = {name: described(source.sqlite / name, tmp_path / "expected.db") for name in ("bot.db", "sub/wal.db")}
    source.write("DELETE FROM t")
    source.run()
    before = fingerprint(source)
    out = tmp_path / "out"
    out.mkdir()
    told = restored(source, "--run", "1", "--to-sql", str(out / "dump.sql")).stdout
    assert sorted(path.name for path in out.iterdir()) == ["dump.bot.db.sql", "dump.sub_wal.db.sql"]
    assert "Documents are not SQL: data.json, sub/more.json" in told
    assert oracle.describe(read_back(out / "dump.bot.db.sql")) == expected["bot.db"]
    assert oracle.describe(read_back(out / "dump.sub_wal.db.sql")) == expected["sub/wal.db"]
    assert fingerprint(source) == before


def test_one_table_and_one_database(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    there = oracle.describe(source.sqlite / "bot.db")
    [table] = here(source, tmp_path / "table.sql", only=("bot.k",))
    assert oracle.describe(read_back(table))["tables"] == {b"k": there["tables"][b"k"]}
    [database] = here(source, tmp_path / "database.sql", only=("bot", "data.json"))
    assert oracle.describe(read_back(database)) == there


def test_what_cannot_be_is_refused_and_leaves_nothing(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    file = tmp_path / "out" / "dump.sql"
    file.parent.mkdir()
    file.write_text("mine")
    there = restore(source, "--only", "bot", "--to-sql", str(file))
    assert (there.returncode, "dump.sql is there already" in there.stderr) == (9, True)
    documents = restore(source, "--only", "data.json", "--to-sql", str(tmp_path / "out" / "x.sql"))
    assert (documents.returncode, "--into FOLDER" in documents.stderr) == (9, True)
    missing = restore(source, "--to-sql", str(tmp_path / "nowhere" / "x.sql"))
    assert (missing.returncode, "Traceback" in missing.stderr) == (9, False)
    source.target.query(f"UPDATE {source.name}_bot.t SET a = 'edited' WHERE id = 1")
    assert restore(source, "--to-sql", str(tmp_path / "out" / "x.sql")).returncode == 12
    assert restore(source, "--to-sql", "x.sql", "--dry-run").returncode == 2
    assert [path.name for path in file.parent.iterdir()] == ["dump.sql"]


@given(st.floats(allow_nan=False))
def test_a_real_comes_back_to_the_bit(value: float) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        [(found,)] = connection.execute(f"SELECT {real_literal(value)}")
    assert struct.pack("<d", found) == struct.pack("<d", value)


@given(st.one_of(st.text(), st.text(alphabet="a'\\nr\n\r\0\t;.")), st.sampled_from(["UTF-8", "UTF-16le", "UTF-16be"]))
def test_a_text_comes_back_byte_by_byte(text: str, encoding: str) -> None:
    codec = {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}[encoding]
    data = text.encode(codec, "surrogatepass")
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE t (a)")
        sql = text_literal(data, encoding)
        connection.execute(f"INSERT INTO t VALUES ({sql})")
        [(kind, found)] = connection.execute("SELECT typeof(a), CAST(a AS BLOB) FROM t")
    assert (kind, found or b"") == ("text", data)
    assert "\n" not in sql
    assert "\r" not in sql


def test_integers_and_blobs() -> None:
    assert [literal("integer", number, "UTF-8") for number in (-(2**63), 0)] == ["-9223372036854775808", "0"]
    assert literal("blob", b"\0\xff", "UTF-8") == "x'00ff'"
    assert literal("null", None, "UTF-8") == "NULL"
