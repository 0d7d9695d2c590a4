"""A large file is read by two processes: what they find is what one finds, and one is enough when the other is lost."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import pytest

from mirror import inspection
from mirror.content import TableContent
from mirror.expressions import register
from mirror.inspection import Inspection, inspect
from mirror.lines import table_content
from mirror.schema import read_schema

ROWS = 3 * inspection._ROWS_A_PART // 2


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Tables of every kind that is divided, or is not: plain and careful rows, gaps, no rowid."""
    path = tmp_path / "large.db"
    numbers = f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {ROWS})"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"""
            CREATE TABLE plain (id INTEGER PRIMARY KEY, name TEXT, rate REAL);
            CREATE TABLE mixed (name TEXT, amount INTEGER);
            CREATE TABLE sparse (id INTEGER PRIMARY KEY, name TEXT);
            CREATE TABLE keyed (name TEXT PRIMARY KEY, photo BLOB) WITHOUT ROWID;
            CREATE TABLE empty (id INTEGER PRIMARY KEY);
            {numbers} INSERT INTO plain SELECT n, 'user ' || n, n / 7.0 FROM c;
            {numbers} INSERT INTO mixed SELECT iif(n % 900 = 0, char(92) || n, 'a'), iif(n % 1000 = 1, 'toto', n) FROM c;
            {numbers} INSERT INTO sparse SELECT n * 1000003, 'far' FROM c WHERE n < 3000;
            {numbers} INSERT INTO keyed SELECT 'key ' || n, randomblob(9) FROM c WHERE n < 3000;
            DELETE FROM plain WHERE id BETWEEN 700 AND 1900;
        """)
    return path


def by_itself(path: Path) -> dict[str, TableContent]:
    with closing(sqlite3.connect(path)) as connection:
        schema = read_schema(connection, "delete")
        register(connection, "UTF-8")
        connection.text_factory = bytes
        return {table.name: table_content(connection, "main", table, "UTF-8") for table in schema.tables}


def in_two(path: Path, monkeypatch: pytest.MonkeyPatch) -> Inspection:
    monkeypatch.setattr(inspection, "_WORTH_A_SECOND", 0)
    monkeypatch.setattr(inspection.os, "sched_getaffinity", lambda _: {0, 1})
    return inspect(path, "delete", check=True)


def test_two_processes_find_what_one_does(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = in_two(path, monkeypatch)
    assert found.contents == by_itself(path)
    assert found.content_hash == inspect(path, "delete").content_hash
    assert found.problems == ()


@pytest.mark.parametrize("program", ["/bin/false", "/bin/true", "/nothing/there"])
def test_a_second_process_that_does_not_help_is_not_needed(
    path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    monkeypatch.setattr(sys, "executable", program)
    found = in_two(path, monkeypatch)
    assert found.contents == by_itself(path)
    assert found.problems == ()


def test_a_damaged_index_is_told_whoever_finds_it(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript("""
            CREATE INDEX by_name ON plain (name);
            PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = 'CREATE INDEX by_name ON plain (rate)' WHERE name = 'by_name';
        """)
    assert any("missing from index by_name" in problem for problem in in_two(path, monkeypatch).problems)
    assert any("missing from index by_name" in problem for problem in inspect(path, "delete", check=True).problems)


def test_a_changed_row_in_any_part_changes_the_hash(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = in_two(path, monkeypatch)
    for number in (1, ROWS):
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("UPDATE plain SET name = name || '!' WHERE id = ?", (number,))
            connection.commit()
        after = in_two(path, monkeypatch)
        assert after.content_hash != before.content_hash
        before = after
