"""A version of a document into the target: the pieces that it lacks, and the list of all.

What is known of the version before spares most of it. Where that is not known (after a start), the target is asked which of
the pieces it has.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Iterator

from psycopg2 import Binary, sql

from backup.changes import DocumentChange
from backup.chunks import HASH_BYTES
from backup.documents import Document
from backup.script import INLINE_BYTES, Script

# What is sent at once, and held by the target in a temporary table.
PART_BYTES = 8_000_000
# Below this size a new document is sent without asking what of it is there already.
_ASK_BYTES = 16_000

_BINARY_HEADER = b"PGCOPY\n\xff\r\n\0" + struct.pack(">ii", 0, 0)
_BINARY_END = struct.pack(">h", -1)


def send_document(script: Script, change: DocumentChange, source: str, run: int) -> None:
    """Adds the change to the run's transaction."""
    source_id = sql.SQL("(SELECT id FROM sidemirror.sources WHERE name = {})").format(sql.Literal(source))
    document, sha256, mode, mtime_ns = change.document, None, None, None
    script.add(
        "INSERT INTO sidemirror.documents (source_id, file) VALUES ({source}, {}) ON CONFLICT DO NOTHING",
        change.file, source=source_id,
    )  # fmt: skip
    if document is not None:
        sha256, mode, mtime_ns = Binary(bytes.fromhex(document.sha256)), document.mode, document.mtime_ns
        base = change.known.sha256 if change.known and change.base else None
        send_content(script, document, source_id, base, change.base if base else b"")
    script.add(
        "INSERT INTO sidemirror.document_states (document_id, run, sha256, mode, mtime_ns) "
        "SELECT id, {}, {}, {}, {} FROM sidemirror.documents WHERE source_id = {source} AND file = {}",
        run, sha256, mode, mtime_ns, change.file, source=source_id,
    )  # fmt: skip


def send_content(
    script: Script, document: Document, source_id: sql.Composable, base: str | None = None, known: bytes = b""
) -> None:
    """Adds the content alone. `known`: the hashes of the pieces of `base`, which is another version in the target."""
    known_pieces = set(_split(known))
    if base is None and document.size > _ASK_BYTES:
        known_pieces = _there(script, document, source_id)
    _send_pieces(script, document, source_id, known_pieces)
    pieces, before = _split(document.hashes), _split(known)
    head = _same_at_the_head(before, pieces)
    tail = _same_at_the_head(before[head:][::-1], pieces[head:][::-1])
    script.add(
        "SELECT sidemirror.put_document({source}, {}, {}, {}, {}, {}, {}, {}, decode({}, 'base64'), {})",
        Binary(bytes.fromhex(document.sha256)), document.size, document.is_json, document.unqueryable,
        Binary(hashlib.sha256(document.hashes).digest()), Binary(bytes.fromhex(base)) if base else None, head,
        _text(b"".join(pieces[head : len(pieces) - tail])), tail, source=source_id,
    )  # fmt: skip


def _there(script: Script, document: Document, source_id: sql.Composable) -> set[bytes]:
    """The pieces of the document that the target has, and has right."""
    script.add(
        "SELECT k.sha256 FROM sidemirror.document_chunks AS k WHERE k.source_id = {source} AND k.sha256 = ANY (ARRAY("
        "SELECT substring(h.all_of_them, n * 32 + 1, 32) FROM (SELECT decode({}, 'base64') AS all_of_them) AS h, "
        "generate_series(0, octet_length(h.all_of_them) / 32 - 1) AS n)) AND sha256(k.bytes) = k.sha256",
        _text(document.hashes), source=source_id,
    )  # fmt: skip
    return {bytes(sha256) for (sha256,) in script.ask()}


def _send_pieces(script: Script, document: Document, source_id: sql.Composable, known: set[bytes]) -> None:
    """Few go inside the statements, many in binary COPYs of PART_BYTES each."""
    sent = set(known)
    part: list[bytes] = []
    size = 0
    staged = False
    for sha256, chunk in document.each_chunk():
        if sha256 in sent:
            continue
        sent.add(sha256)
        part.append(chunk)
        size += len(chunk)
        if size >= PART_BYTES:
            staged = _send_part(script, part, source_id, staged)
            part, size = [], 0
    if staged or size > INLINE_BYTES:
        _send_part(script, part, source_id, staged)
        return
    for chunk in part:
        script.add("SELECT sidemirror.put_chunk({source}, decode({}, 'base64'))", _text(chunk), source=source_id)
    script.weigh(size)


def _send_part(script: Script, part: list[bytes], source_id: sql.Composable, staged: bool) -> bool:
    stage = sql.Identifier("pg_temp", "sm_chunks")
    if not staged:
        script.add("DROP TABLE IF EXISTS {stage}", stage=stage)
        script.add("CREATE TEMP TABLE {name} (part bytea NOT NULL) ON COMMIT DROP", name=sql.Identifier("sm_chunks"))
    script.copy_binary(stage, _rows(part), len(part))
    script.add("SELECT count(sidemirror.put_chunk({source}, part)) FROM {stage}", source=source_id, stage=stage)
    script.add("TRUNCATE {stage}", stage=stage)
    return True


def _rows(part: list[bytes]) -> Iterator[bytes]:
    yield _BINARY_HEADER
    for chunk in part:
        yield struct.pack(">hi", 1, len(chunk)) + chunk
    yield _BINARY_END


def _text(data: bytes) -> str:
    """A third longer than the bytes; a literal of bytea is twice as long."""
    return base64.b64encode(data).decode("ascii")


def _split(hashes: bytes) -> list[bytes]:
    return [hashes[start : start + HASH_BYTES] for start in range(0, len(hashes), HASH_BYTES)]


def _same_at_the_head(before: list[bytes], after: list[bytes]) -> int:
    count = 0
    for one, other in zip(before, after, strict=False):
        if one != other:
            break
        count += 1
    return count
