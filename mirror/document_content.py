"""A document's bytes out of the target, piece by piece: no more than one of them is in memory, and none is sent as text."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mirror.catalog import State
from mirror.catalog_install import DOCUMENT_CHUNKS

# https://www.postgresql.org/docs/current/sql-copy.html, "Binary Format": the signature, flags, and the length of what
# else is there; then for each row the number of its fields, and for each field its length and its bytes.
_SIGNATURE_BYTES = 11
_HEADER = struct.Struct(f">{_SIGNATURE_BYTES}sii")
_FIELD = struct.Struct(">hi")

_PIECES = (
    "SELECT k.bytes FROM sidemirror.document_contents AS c "
    "CROSS JOIN LATERAL unnest(c.chunks) WITH ORDINALITY AS u(id, n) "
    "JOIN sidemirror.document_chunks AS k ON k.id = u.id "
    "WHERE c.source_id = {} AND c.sha256 = decode({}, 'hex') ORDER BY u.n"
)
# As catalogs of before have it, which a restore reads as they are.
_WHOLE = "SELECT bytes FROM sidemirror.document_contents WHERE source_id = {} AND sha256 = decode({}, 'hex')"


@dataclass(frozen=True)
class Received:
    """What came of a document: its size and its SHA-256 in hex. `gone`: nothing did."""

    size: int
    sha256: str
    gone: bool


def receive(cursor: Cursor, state: State, sha256: str, write: Callable[[bytes], object]) -> Received:
    """Hands a version's bytes to `write`, in order, as they come. Whether they are the right ones, the answer tells."""
    query = _PIECES if state.catalog_version >= DOCUMENT_CHUNKS else _WHOLE
    fields = _Fields(write)
    command = sql.SQL("COPY (" + query + ") TO STDOUT WITH (FORMAT binary)")
    cursor.copy_expert(command.format(sql.Literal(state.source_id), sql.Literal(sha256)), fields)
    return Received(fields.size, fields.sha256.hexdigest(), fields.size == 0)


class _Fields:
    """A file that COPY writes rows of one field into."""

    def __init__(self, write: Callable[[bytes], object]) -> None:
        self.take = write
        self.rest = b""
        self.began = False
        self.size = 0
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> int:
        self.rest += data
        if not self.began:
            if len(self.rest) < _HEADER.size:
                return len(data)
            more = _HEADER.unpack_from(self.rest)[2]
            self.rest, self.began = self.rest[_HEADER.size + more :], True
        while len(self.rest) >= _FIELD.size:
            fields, size = _FIELD.unpack_from(self.rest)
            end = _FIELD.size + max(size, 0)
            if fields != 1 or len(self.rest) < end:
                break
            field, self.rest = self.rest[_FIELD.size : end], self.rest[end:]
            self.size += len(field)
            self.sha256.update(field)
            self.take(field)
        return len(data)
