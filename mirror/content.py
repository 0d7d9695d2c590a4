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

from mirror.names import quote_sqlite
from mirror.schema import Schema, Table
from mirror.values import canonical

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


def row_text(table: Table, alias: str = "n") -> str:
    """A SQL expression for the text of one row that is hashed."""
    names = [f"{alias}.{quote_sqlite(column.name)}" for column in table.stored_columns]
    if table.rowid_visible:
        names.insert(0, f"{alias}.{table.rowid_alias}")
    return canonical(names)


def hash_rows(rows: Iterable[tuple[bytes | str]]) -> TableContent:
    """The content of these row texts."""
    total = count = 0
    for (text,) in rows:
        data = text.encode("ascii") if isinstance(text, str) else text
        total += int.from_bytes(blake2b(data, digest_size=32).digest(), "little")
        count += 1
    return TableContent(count, total % _MODULUS)


def table_content(connection: sqlite3.Connection, table: Table) -> TableContent:
    """The content of a whole table of main; the connection needs values.register."""
    return hash_rows(connection.execute(f"SELECT {row_text(table)} FROM main.{quote_sqlite(table.name)} n"))


def database_hash(schema: Schema, tables: Mapping[str, TableContent]) -> bytes:
    """32 bytes that stand for everything that a restore must bring back."""
    content = {
        "schema": [asdict(row) for row in schema.rows],
        "pragmas": asdict(schema.pragmas),
        "tables": {name: [content.rows, content.hex] for name, content in sorted(tables.items())},
    }
    return blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=32).digest()
