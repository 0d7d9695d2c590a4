"""A row as a line for Postgres: whatever is in it, the line says exactly that."""

from __future__ import annotations

import sqlite3
import struct
from typing import Any

import pytest
from gallery.values import BLOBS, DECLARED, INTEGERS, NUL_TEXTS, REALS, TEXTS
from hypothesis import given
from hypothesis import strategies as st

from mirror.expressions import register
from mirror.mapping import column_type, mirror_table
from mirror.names import EXACT
from mirror.schema import read_schema
from mirror.values import (
    FROM_TEXT,
    RawText,
    careful_line,
    exact_values,
    is_plain,
    may_be_plain,
    plain_line,
    plain_row,
    split_received,
    split_sent,
)

values = st.one_of(
    st.none(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text(max_size=5), st.binary(max_size=5),
    st.sampled_from([*INTEGERS, *REALS, *TEXTS, *NUL_TEXTS, *BLOBS, "\1", "\2", "a\1b", "\\\1", "\2\n"]),
)  # fmt: skip


def stored(declared: str, value: Any) -> tuple[sqlite3.Connection, Any]:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared}, w {declared})")
    connection.execute("INSERT INTO t VALUES (1, ?, ?)", (value, value))
    register(connection, "UTF-8")
    [found] = connection.execute("SELECT v FROM t").fetchone()
    connection.text_factory = bytes
    return connection, found


def exactly(value: Any) -> Any:
    if isinstance(value, RawText):
        return str, bytes(value)
    if isinstance(value, str):
        return str, value.encode()
    return type(value), struct.pack("<d", value) if isinstance(value, float) else value


def read_back(fields: list[tuple[str, str]], texts: list[str | None]) -> Any:
    row: dict[str, Any] = {
        name: text if text is None else FROM_TEXT.get(type, int if type == "bigint" else str)(text)
        for (name, type), text in zip(fields, texts, strict=True)
    }
    if row[EXACT] is not None:
        row.update(exact_values(row[EXACT]))
    return row["v"]


@pytest.mark.parametrize("declared", DECLARED)
@given(value=values)
def test_any_value_in_any_column_is_read_back_identically(declared: str, value: Any) -> None:
    connection, expected = stored(declared, value)
    try:
        schema = read_schema(connection, "delete") if connection.text_factory is str else _schema(connection)
        table = schema.tables[0]
        mirror = mirror_table(table, "t", True)
        fields = list(mirror.fields)
        [line] = connection.execute(f"SELECT {careful_line(table, mirror)} FROM t n").fetchone()
        assert exactly(read_back(fields, split_sent(line.decode()))) == exactly(expected)
        if may_be_plain(mirror):
            [(plain, holds)] = connection.execute(
                f"SELECT {plain_line(table, mirror)}, {plain_row(table, mirror)} FROM t n"
            )
            if holds and is_plain(plain + b"\n", 1, len(fields)):
                assert exactly(read_back(fields, split_sent(plain.decode()))) == exactly(expected)
    finally:
        connection.close()


def _schema(connection: sqlite3.Connection) -> Any:
    connection.text_factory = str
    schema = read_schema(connection, "delete")
    connection.text_factory = bytes
    return schema


@pytest.mark.parametrize(
    ("declared", "type"),
    [
        ("INTEGER", "bigint"), ("POINT", "bigint"), ("CHARINT", "bigint"), ("varchar(9)", "text"), ("CLOB", "text"),
        ("", "text"),
        ("BLOB", "bytea"), ("REAL", "double precision"), ("DOUBLE PRECISION", "double precision"),
        ("FLOAT", "double precision"),
        ("BOOLEAN", "boolean"), ("NUMERIC", "numeric"), ("DECIMAL(10,2)", "numeric"), ("MONEY", "numeric"), ("DATE", "text"),
        ("DATETIME", "text"), ("ANY", "text"), ("JSON", "text"),
    ],
)  # fmt: skip
def test_a_columns_type_follows_from_its_affinity(declared: str, type: str) -> None:
    assert column_type(declared) == type


def test_what_postgres_sends_is_unescaped() -> None:
    assert split_received("1\t\\N\t\\\\N\ta\\tb\\nc\\r\\\\\\b\\f\\v") == ["1", None, "\\N", "a\tb\nc\r\\\b\f\v"]
    assert split_received("") == [""]
