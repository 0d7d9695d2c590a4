"""The content hash: two databases are equal when it is equal, whatever their page layout.

A table's hash is the sum, modulo 2^256, of the BLAKE2b hash of each of its rows (rowid where a program can see it, then
every stored value with its class). A sum does not depend on order, and a run can carry it forward by what changed: minus
the old rows, plus the new. A database's hash is over its schema, its settings, and the count and hash of each table.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b

from msgpack import Packer

from mirror.names import quote_sqlite
from mirror.schema import Schema, Table, in_order

_MODULUS = 1 << 256


@dataclass(frozen=True)
class TableContent:
    """How many rows, and the sum of their hashes."""

    rows: int = 0
    hash: int = 0

    def plus(self, other: TableContent) -> TableContent:
        return TableContent(self.rows + other.rows, (self.hash + other.hash) % _MODULUS)

    def minus(self, other: TableContent) -> TableContent:
        return TableContent(self.rows - other.rows, (self.hash - other.hash) % _MODULUS)

    @property
    def hex(self) -> str:
        return f"{self.hash:064x}"


def row_query(table: Table, encoding: str, rows: str) -> str:
    """A SELECT of what is hashed of each row of `rows` (a FROM clause in which the table is n)."""
    names = [f"n.{quote_sqlite(column.name)}" for column in table.stored_columns]
    if encoding != "UTF-8":
        # SQLite gives text as UTF-8, and not every UTF-16 text survives that.
        names = [f"iif(typeof({name}) = 'text', hex(CAST({name} AS BLOB)), {name})" for name in names]
    if table.rowid_visible:
        names.insert(0, f"n.{table.rowid_alias}")
    return f"SELECT {', '.join(names)} FROM {rows}"


def hash_rows(connection: sqlite3.Connection, query: str) -> TableContent:
    """The content of the rows that a row_query gives.

    Each row is packed as MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), which keeps every class
    and every bit of a REAL apart.
    """
    before = connection.text_factory
    try:
        connection.text_factory = str
        return _hash(connection.execute(query))
    except sqlite3.OperationalError as error:
        if "decode" not in str(error):
            raise
        connection.text_factory = _any_text
        return _hash(connection.execute(query))
    finally:
        connection.text_factory = before


def _any_text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")


def _hash(rows: Iterable[tuple[object, ...]]) -> TableContent:
    pack = Packer(unicode_errors="surrogateescape").pack
    total = count = 0
    for row in rows:
        total += int.from_bytes(blake2b(pack(row), digest_size=32).digest(), "little")
        count += 1
    return TableContent(count, total % _MODULUS)


def table_content(connection: sqlite3.Connection, table: Table, encoding: str) -> TableContent:
    """The content of a whole table of main."""
    return hash_rows(connection, row_query(table, encoding, f"main.{quote_sqlite(table.name)} n"))


def database_hash(schema: Schema, tables: Mapping[str, TableContent]) -> bytes:
    """32 bytes that stand for everything that a restore must bring back."""
    content = {
        "schema": [asdict(row) for row in in_order(schema.rows)],
        "pragmas": asdict(schema.pragmas),
        "tables": {name: [content.rows, content.hex] for name, content in sorted(tables.items())},
    }
    return blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=32).digest()
