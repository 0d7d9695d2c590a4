"""The content hash: two databases are equal when it is equal, whatever their page layout.

A table's hash is the sum, modulo 2^256, of BLAKE2b hashes of its rows, as lines.py puts them together. A sum does not depend
on order, and a run can carry it forward by what changed: minus the old rows, plus the new. A database's hash is over its
schema, its settings, and the count and hash of each table.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from hashlib import blake2b
from typing import Protocol

from mirror.schema import Schema, in_order

_MODULUS = 1 << 256


class Digest(Protocol):
    """A hash object of hashlib, of 32 bytes."""

    def digest(self) -> bytes: ...


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


def of_lines(rows: int, digest: Digest) -> TableContent:
    """The content of rows that were hashed together."""
    return TableContent(rows, int.from_bytes(digest.digest(), "little"))


def database_hash(schema: Schema, tables: Mapping[str, TableContent]) -> bytes:
    """32 bytes that stand for everything that a restore must bring back."""
    content = {
        "schema": [asdict(row) for row in in_order(schema.rows)],
        "pragmas": asdict(schema.pragmas),
        "tables": {name: [content.rows, content.hex] for name, content in sorted(tables.items())},
    }
    return blake2b(json.dumps(content, sort_keys=True).encode(), digest_size=32).digest()
