"""Rows with a value too large to be put together in memory several times: sent field by field, large values in pieces.

The lines are the ones that values.careful_line would make, but for the JSON of a large value that does not fit its column:
that is always written in hex.
"""

from __future__ import annotations

import codecs
import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass

from mirror.expressions import CODECS, lost_characters
from mirror.mapping import MirrorColumn, MirrorTable
from mirror.names import quote_sqlite
from mirror.schema import Table
from mirror.values import FieldQuery, big_field_queries, escape_bytes, own_fields

PIECE_BYTES = 1024 * 1024
COLUMNS_AT_ONCE = 300  # five expressions each; a result has at most 2,000 columns (limits.html)


@dataclass(frozen=True)
class _Big:
    """One large value: where it is and how it is read. `value` is its bytes where it cannot be opened in place."""

    connection: sqlite3.Connection
    database: str
    table: str
    column: MirrorColumn
    rowid: int | None
    value: bytes | None
    is_text: bool
    encoding: str

    def pieces(self) -> Iterator[bytes]:
        if self.value is not None:
            view = memoryview(self.value)
            for start in range(0, len(view), PIECE_BYTES):
                yield bytes(view[start : start + PIECE_BYTES])
            return
        assert self.rowid is not None
        place = (self.table, self.column.name, self.rowid)
        with self.connection.blobopen(*place, readonly=True, name=self.database) as blob:
            while piece := blob.read(PIECE_BYTES):
                yield piece

    @property
    def fits(self) -> bool:
        if not self.is_text:
            return self.column.type == "bytea"
        return self.column.type == "text" and self._is_clean_text()

    def field(self) -> Iterator[bytes]:
        """The value as a field of COPY text, if it fits."""
        if self.is_text:
            yield from (escape_bytes(text.encode("utf-8")) for text in self._decoded())
        else:
            yield b"\\\\x"
            yield from (piece.hex().encode() for piece in self.pieces())

    def exact(self) -> Iterator[bytes]:
        """The value as a member of `_exact`, if it does not."""
        kind = "bytes" if self.is_text else "blob"
        yield escape_bytes(f'{json.dumps(self.column.mirror_name, ensure_ascii=False)}:{{"{kind}":"'.encode())
        yield from (piece.hex().encode() for piece in self.pieces())
        yield b'"}'

    def _decoded(self) -> Iterator[str]:
        decoder = codecs.getincrementaldecoder(CODECS[self.encoding])()
        for piece in self.pieces():
            yield decoder.decode(piece)
        yield decoder.decode(b"", final=True)

    def _is_clean_text(self) -> bool:
        try:
            lost = lost_characters(self.encoding)
            return not any(lost.search(text) for text in self._decoded())
        except UnicodeDecodeError:
            return False


def big_lines(
    connection: sqlite3.Connection,
    database: str,
    table: Table,
    mirror: MirrorTable,
    rows: str,
    condition: str,
    encoding: str,
) -> Iterator[bytes]:
    """The rows that meet the condition, as pieces of COPY lines. `rows` is a FROM clause in which the table is n.

    `database` (main or an attached one) is the one whose table n is: a value is opened there by its rowid.
    """
    queries = big_field_queries(mirror)
    in_place = {c.name for c in table.stored_columns} if not table.without_rowid else set()
    alias = f"n.{quote_sqlite(str(table.rowid_alias))}" if table.rowid_alias else "NULL"
    own = [alias, *own_fields(table, mirror)]
    groups = [own] + [
        [name for query in queries[start : start + COLUMNS_AT_ONCE] for name in _names(query, in_place)]
        for start in range(0, len(queries), COLUMNS_AT_ONCE)
    ]
    order = ", ".join(f"n.{quote_sqlite(c.name)}" for c in table.key_columns) if table.without_rowid else alias
    cursors = [
        connection.execute(f"SELECT {', '.join(group)} FROM {rows} WHERE {condition} ORDER BY {order}")
        for group in groups
    ]
    for (rowid, *own_values), *parts in zip(*cursors, strict=True):
        columns = [value for part in parts for value in part]
        own_fields_of_row = [_text(value) for value in own_values]
        yield from _line(connection, database, table, queries, rowid, own_fields_of_row, columns, encoding)


def _names(query: FieldQuery, in_place: set[str]) -> list[str]:
    whole = "NULL" if query.column.name in in_place else query.whole
    return [query.is_big, query.is_text, query.field, query.exact, whole]


def _line(
    connection: sqlite3.Connection,
    database: str,
    table: Table,
    queries: list[FieldQuery],
    rowid: int | None,
    own: list[bytes],
    columns: list[bytes | int | None],
    encoding: str,
) -> Iterator[bytes]:
    misfits: list[bytes | _Big] = []
    separator = b""
    for number, query in enumerate(queries):
        is_big, is_text, field, exact, whole = columns[5 * number : 5 * number + 5]
        value = whole if isinstance(whole, bytes) else None
        place = (connection, database, table.name, query.column, rowid)
        big = _Big(*place, value, bool(is_text), encoding) if is_big else None
        fits = big is None or big.fits
        if query.column.type is not None:
            yield separator
            yield from [_text(field)] if big is None else big.field() if fits else [b"\2"]
            separator = b"\1"
        if big is not None and not fits:
            misfits.append(big)
        elif exact is not None:
            misfits.append(_text(exact))
    for value_of_own in own:
        yield separator + value_of_own
        separator = b"\1"
    yield separator
    yield from _exact(misfits)
    yield b"\n"


def _exact(misfits: list[bytes | _Big]) -> Iterator[bytes]:
    if not misfits:
        yield b"\2"
        return
    opening = b"{"
    for misfit in misfits:
        yield opening
        yield from [misfit] if isinstance(misfit, bytes) else misfit.exact()
        opening = b","
    yield b"}"


def _text(value: bytes | int | None) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()
