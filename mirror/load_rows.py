"""Rows of the target into a table of a SQLite file: three roads, by what a row needs.

Nearly all rows have every value in its column and go in bulk. Rows with something in `_exact` are put together one by one.
Rows with a large value come in Postgres's binary form (https://www.postgresql.org/docs/17/sql-copy.html, Binary Format), in
which bytes are bytes, so that a value stands in memory as few times as possible.
"""

from __future__ import annotations

import sqlite3
import struct
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mirror.mapping import MirrorTable
from mirror.names import EXACT, KEY, ROWID, quote_sqlite
from mirror.schema import Table
from mirror.values import BIG_BYTES, FROM_TEXT, RawText, Value, exact_values, received_fields, split_received

_ROWS_AT_ONCE = 2000
_BYTES_AT_ONCE = 4_000_000
# One statement for several rows saves most of what a statement costs. SQLite takes 32,766 values (limits.html).
_ROWS_A_STATEMENT = 25
_VALUES_A_STATEMENT = 1000
_BINARY_HEADER = 19

Progress = Callable[[str, int, int], None]
"""Told of each batch: its table, its rows, its bytes as they came."""


def no_progress(_table: str, _rows: int, _bytes: int) -> None:
    """A progress that tells nobody."""


def load(
    connection: sqlite3.Connection,
    cursor: Cursor,
    table: Table,
    mirror: MirrorTable,
    rows: sql.Composable,
    progress: Progress,
) -> None:
    """Puts the rows (a SELECT of all of the mirror's columns) into the table, which has none."""
    roads: list[_Rows] = [
        _PlainRows(connection, table, mirror, progress),
        _ExactRows(connection, table, mirror, progress),
    ]
    if _can_be_long(mirror):
        roads.append(_BigRows(connection, table, mirror, progress))
    for road in roads:
        cursor.copy_expert(sql.SQL(f"COPY ({{}}) TO STDOUT{road.options}").format(road.query(rows)), road)
        road.flush()


def _can_be_long(mirror: MirrorTable) -> list[str]:
    return [name for name, type in mirror.fields if type in ("text", "bytea") and name != KEY]


def _is_big(mirror: MirrorTable) -> sql.Composable:
    sizes = [sql.SQL("octet_length(r.{})").format(sql.Identifier(name)) for name in _can_be_long(mirror)]
    return sql.SQL("greatest(0, {}) > {}").format(sql.SQL(", ").join(sizes), sql.Literal(BIG_BYTES))


class _Rows(ABC):
    """A file for COPY to write to, that puts the rows into SQLite in batches."""

    options = ""

    def __init__(self, connection: sqlite3.Connection, table: Table, mirror: MirrorTable, progress: Progress) -> None:
        self.connection = connection
        self.table = table
        self.mirror = mirror
        self.progress = progress
        self.lines: list[bytes] = []
        self.size = 0
        stored = {column.name for column in table.stored_columns}
        self.in_utf_8 = connection.execute("PRAGMA main.encoding").fetchone() == ("UTF-8",)
        self.columns = [column for column in mirror.columns if column.name in stored]

    def write(self, data: bytes) -> int:
        """One row at a time is what libpq's PQgetCopyData gives."""
        self.lines.append(data)
        self.size += len(data)
        if len(self.lines) >= _ROWS_AT_ONCE or self.size >= _BYTES_AT_ONCE:
            self.flush()
        return len(data)

    def flush(self) -> None:
        if self.lines:
            self.insert(self.lines)
            self.progress(self.table.name, len(self.lines), self.size)
        self.lines, self.size = [], 0

    @abstractmethod
    def insert(self, lines: list[bytes]) -> None:
        """Puts these rows, each with its line end, into the table."""

    @abstractmethod
    def query(self, rows: sql.Composable) -> sql.Composable:
        """Those of the rows that go this road."""

    def select(self, names: list[str], rows: sql.Composable, condition: str) -> sql.Composable:
        columns = sql.SQL(", ").join(sql.SQL("r.{}").format(sql.Identifier(name)) for name in names)
        small = sql.SQL(" AND NOT ({})").format(_is_big(self.mirror)) if _can_be_long(self.mirror) else sql.SQL("")
        return sql.SQL(f"SELECT {{}} FROM ({{}}) AS r WHERE r.{{}} {condition}{{}}").format(
            columns, rows, sql.Identifier(EXACT), small
        )

    def statement(self, names: list[str], placeholders: list[str], rows: int = 1) -> str:
        columns = [quote_sqlite(name) for name in names]
        if self.mirror.rowid:
            columns.append(str(self.table.rowid_alias))
            placeholders = [*placeholders, "?"]
        row = f"({', '.join(placeholders)})"
        return (
            f"INSERT INTO main.{quote_sqlite(self.table.name)} ({', '.join(columns)}) VALUES {', '.join([row] * rows)}"
        )


class _PlainRows(_Rows):
    """The rows whose values all stand in their columns: nearly all, so they go in bulk."""

    def query(self, rows: sql.Composable) -> sql.Composable:
        self.typed = [column for column in self.columns if column.type is not None]
        names = [column.mirror_name for column in self.typed] + ([ROWID] if self.mirror.rowid else [])
        self.readers = [
            (position, FROM_TEXT[column.type])
            for position, column in enumerate(self.typed)
            if column.type is not None and column.type in FROM_TEXT
        ]
        self.width = len(names)
        self.at_once = max(1, min(_ROWS_A_STATEMENT, _VALUES_A_STATEMENT // self.width))
        return self.select(names, rows, "IS NULL")

    def insert(self, lines: list[bytes]) -> None:
        """Whole columns are read at a time, and many rows inserted by one statement: nothing in Python for each row."""
        fields = received_fields(b"".join(lines).decode("utf-8"), self.width)
        values: list[Value] = list(fields)
        for position, read in self.readers:
            values[position :: self.width] = [
                None if field is None else read(field) for field in fields[position :: self.width]
            ]
        step = self.at_once * self.width
        whole = len(values) - len(values) % step
        insertion = self._insertion(self.at_once)
        for start in range(0, whole, step):
            self.connection.execute(insertion, values[start : start + step])
        if whole < len(values):
            self.connection.execute(self._insertion((len(values) - whole) // self.width), values[whole:])

    def _insertion(self, rows: int) -> str:
        return self.statement([column.name for column in self.typed], ["?"] * len(self.typed), rows)


class _ExactRows(_Rows):
    """The rows with at least one value in `_exact`."""

    def query(self, rows: sql.Composable) -> sql.Composable:
        self.fields = [(name, type) for name, type in self.mirror.fields if name != KEY]
        return self.select([name for name, _ in self.fields], rows, "IS NOT NULL")

    def insert(self, lines: list[bytes]) -> None:
        for line in lines:
            values: dict[str, Value] = {}
            texts = split_received(line.decode("utf-8").removesuffix("\n"))
            for (name, type), text in zip(self.fields, texts, strict=True):
                values[name] = text if text is None else FROM_TEXT.get(type, str)(text)
            values.update(exact_values(str(values.pop(EXACT))))
            self.insert_one(values)

    def insert_one(self, values: Mapping[str, Value | memoryview]) -> None:
        """One row by mirror names; a memoryview is UTF-8 text."""
        row = [values.get(column.mirror_name) for column in self.columns]
        placeholders = [self.placeholder(value) for value in row]
        bound = [value for value in row if self.in_utf_8 or not isinstance(value, RawText)]
        rowid = [values[ROWID]] if self.mirror.rowid else []
        self.connection.execute(
            self.statement([column.name for column in self.columns], placeholders), [*bound, *rowid]
        )

    def placeholder(self, value: Value | memoryview) -> str:
        """A SQL expression for the value.

        Cast to TEXT, SQLite takes a bound blob for UTF-8, and a literal for what the database is encoded in. (One from a
        table as well, up to 4,000 bytes. And of a bound one in a UTF-16 database it drops the last byte of an odd number,
        so there only UTF-8 can be bound, and not as a memoryview.)
        """
        if isinstance(value, RawText) and not self.in_utf_8:
            return f"CAST(x'{value.hex()}' AS TEXT)"
        return "CAST(? AS TEXT)" if isinstance(value, memoryview | RawText) else "?"


class _BigRows(_ExactRows):
    """The rows with a value of more than BIG_BYTES."""

    options = " (FORMAT binary)"
    started = False

    def query(self, rows: sql.Composable) -> sql.Composable:
        self.fields = [(name, type) for name, type in self.mirror.fields if name != KEY]
        columns = [
            sql.SQL("r.{}" if type == "bytea" else "r.{}::text").format(sql.Identifier(name))
            for name, type in self.fields
        ]
        return sql.SQL("SELECT {} FROM ({}) AS r WHERE {}").format(
            sql.SQL(", ").join(columns), rows, _is_big(self.mirror)
        )

    def write(self, data: bytes) -> int:
        """One row, the first one behind the header; in the end a trailer of -1."""
        start = 0 if self.started else _BINARY_HEADER
        self.started = True
        if len(data) > start and struct.unpack_from("!h", data, start) != (-1,):
            self.insert_one(self._values(data, start + 2))
            self.progress(self.table.name, 1, len(data))
        return len(data)

    def _values(self, data: bytes, position: int) -> dict[str, Value | memoryview]:
        values: dict[str, Value | memoryview] = {}
        exact: str | None = None
        for (name, type), field in zip(self.fields, _binary_fields(memoryview(data), position), strict=True):
            if field is None:
                values[name] = None
            elif name == EXACT:
                exact = str(field, "utf-8")
            elif type == "bytea":
                values[name] = bytes(field)
            else:
                as_it_is = type == "text" and self.in_utf_8
                values[name] = field if as_it_is else FROM_TEXT.get(type, str)(str(field, "utf-8"))
        return values | (exact_values(exact) if exact else {})


def _binary_fields(data: memoryview, position: int) -> Iterator[memoryview | None]:
    while position < len(data):
        (length,) = struct.unpack_from("!i", data, position)
        position += 4
        yield None if length < 0 else data[position : position + length]
        position += max(length, 0)
