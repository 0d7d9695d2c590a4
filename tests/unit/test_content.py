"""The content hash: what is equal has the same, any single difference another, and it can be carried forward."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from gallery.values import BLOBS, INTEGERS, NUL_TEXTS, REALS, TEXTS
from hypothesis import given
from hypothesis import strategies as st

from mirror.content import TableContent
from mirror.expressions import register
from mirror.inspection import header_journal_mode, inspect
from mirror.lines import RANGE_BITS, Lines, hashed_as, table_content
from mirror.schema import read_schema

START = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b TEXT COLLATE NOCASE); CREATE TABLE n (v); CREATE INDEX i ON t (a); "
    "INSERT INTO t VALUES (1, 'x', 'y'), (2, 1, NULL), (3, 0.0, ''); INSERT INTO n VALUES (1), (1);"
)
values = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=5), st.binary(max_size=5),
    st.sampled_from([*INTEGERS, *REALS, *TEXTS, *NUL_TEXTS, *BLOBS]),
)  # fmt: skip


def hash_of(path: Path) -> bytes:
    return inspect(path, header_journal_mode(path)).content_hash


def made(path: Path, script: str) -> bytes:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.executescript(script)
    connection.close()
    return hash_of(path)


SINGLE_CHANGES = [
    "UPDATE t SET a = 'X' WHERE id = 1",
    "UPDATE t SET b = 'Y' WHERE id = 1",
    "UPDATE t SET a = CAST('x' AS BLOB) WHERE id = 1",
    "UPDATE t SET a = 1.0 WHERE id = 2",
    "UPDATE t SET a = '1' WHERE id = 2",
    "UPDATE t SET a = -0.0 WHERE id = 3",
    "UPDATE t SET a = 0 WHERE id = 3",
    "UPDATE t SET b = NULL WHERE id = 3",
    "UPDATE t SET b = x'' WHERE id = 3",
    "UPDATE t SET b = char(0) WHERE id = 3",
    "UPDATE t SET a = NULL WHERE id = 2",
    "UPDATE t SET a = b, b = a WHERE id = 1",
    "UPDATE t SET id = 4 WHERE id = 3",
    "DELETE FROM t WHERE id = 3",
    "INSERT INTO n VALUES (1)",
    "DELETE FROM n WHERE rowid = 2",
    "UPDATE n SET rowid = 9 WHERE rowid = 2",
    "DROP INDEX i",
    "DROP INDEX i; CREATE INDEX i ON t (b)",
    "CREATE VIEW w AS SELECT 1",
    "CREATE TABLE empty (a)",
    "ALTER TABLE n RENAME TO m",
    "ALTER TABLE n ADD COLUMN w",
    "PRAGMA user_version = 1",
    "PRAGMA application_id = 1",
    "PRAGMA journal_mode = WAL",
    "PRAGMA page_size = 8192; VACUUM",
    "PRAGMA auto_vacuum = FULL; VACUUM",
]


@pytest.mark.parametrize("change", SINGLE_CHANGES)
def test_a_single_change_changes_the_hash(change: str, tmp_path: Path) -> None:
    assert made(tmp_path / "a.db", START) != made(tmp_path / "b.db", START + change)


def test_no_two_of_these_changes_have_the_same_hash(tmp_path: Path) -> None:
    hashes = {made(tmp_path / f"{number}.db", START + change) for number, change in enumerate(SINGLE_CHANGES)}
    assert len(hashes) == len(SINGLE_CHANGES)


@pytest.mark.parametrize(
    "layout",
    [
        "REINDEX",
        "PRAGMA cache_size = 5",
        "DELETE FROM t; " + START[START.index("INSERT INTO t") : START.index("; INSERT INTO n")],
    ],
)
def test_what_no_program_can_see_does_not_change_the_hash(layout: str, tmp_path: Path) -> None:
    assert made(tmp_path / "a.db", START) == made(tmp_path / "b.db", START + layout)


@contextmanager
def table(encoding: str = "UTF-8") -> Iterator[sqlite3.Connection]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.executescript(f"PRAGMA encoding = '{encoding}'; CREATE TABLE t (a, b)")
    yield connection
    connection.close()


def content(connection: sqlite3.Connection, encoding: str = "UTF-8") -> TableContent:
    register(connection, encoding)
    connection.text_factory = str
    described = read_schema(connection, "delete").tables[0]
    connection.text_factory = bytes
    return table_content(connection, "main", described, encoding)


def content_of_range(connection: sqlite3.Connection, number: int) -> TableContent:
    connection.text_factory = str
    described = read_schema(connection, "delete").tables[0]
    connection.text_factory = bytes
    return Lines(connection, "main", described, hashed_as(described), "UTF-8").of_range(number)


@given(st.lists(st.tuples(values, values), max_size=6), st.lists(st.tuples(values, values), max_size=6))
def test_a_hash_carried_forward_is_the_hash_counted_anew(before: list[object], after: list[object]) -> None:
    with table() as connection:
        empty = content(connection)
        connection.executemany(
            "INSERT INTO t (rowid, a, b) VALUES (?, ?, ?)", [(n, *row) for n, row in enumerate(before)]
        )
        first = content(connection)
        connection.executemany(
            "INSERT INTO t (rowid, a, b) VALUES (?, ?, ?)", [(1000 + n, *row) for n, row in enumerate(after)]
        )
        both = content(connection)
        connection.execute("DELETE FROM t WHERE rowid < 1000")
        second = content(connection)
        assert empty == TableContent()
        assert first.plus(second) == both
        assert both.minus(first) == second
        assert both.rows == len(before) + len(after)


ROWIDS = st.one_of(st.integers(-600, 600), st.integers(-(2**63), 2**63 - 1))


@given(st.dictionaries(ROWIDS, st.tuples(values, values), max_size=8))
def test_the_ranges_of_rowids_add_up_to_the_table(rows: dict[int, tuple[object, object]]) -> None:
    with table() as connection:
        connection.executemany("INSERT INTO t (rowid, a, b) VALUES (?, ?, ?)", [(n, *row) for n, row in rows.items()])
        whole = content(connection)
        parts = TableContent()
        for number in {rowid >> RANGE_BITS for rowid in rows}:
            parts = parts.plus(content_of_range(connection, number))
        assert parts == whole
        assert whole.rows == len(rows)


@pytest.mark.parametrize("step", [1, 3, 1000, 2**40])
def test_dense_and_sparse_rowids_are_hashed_alike(step: int) -> None:
    """All rows by one road or the other: what one range holds must not depend on which was taken."""
    with table() as connection:
        rows = [(n * step, n, f"text {n}") for n in range(-700, 700)]
        connection.executemany("INSERT INTO t (rowid, a, b) VALUES (?, ?, ?)", rows)
        connection.execute(
            "INSERT INTO t (rowid, a, b) VALUES (5001 * ?, 'a\tb\nc' || char(1) || char(2) || '\\', 1.5)", [step]
        )
        whole = content(connection)
        parts = TableContent()
        for number in {rowid >> RANGE_BITS for rowid, _, _ in [*rows, (5001 * step, 0, "")]}:
            parts = parts.plus(content_of_range(connection, number))
        assert parts == whole


@given(values, values, st.sampled_from(["UTF-8", "UTF-16le", "UTF-16be"]))
def test_two_values_have_the_same_hash_only_if_they_are_the_same(a: object, b: object, encoding: str) -> None:
    hashes = []
    for value in (a, b):
        with table(encoding) as connection:
            connection.execute("INSERT INTO t VALUES (?, NULL)", [value])
            hashes.append(content(connection, encoding))
    assert (hashes[0] == hashes[1]) == (repr((type(a), a)) == repr((type(b), b)))
