"""The shrink guard for documents: one that would lose nearly all of itself waits until a person says that it is meant.

A bot that finds its file damaged and starts with an empty one must not take the mirror's good one along.
"""

from __future__ import annotations

from psycopg2.extensions import connection as Connection

from backup.config import BackupSettings
from backup.documents import Document
from backup.session import LastRead
from backup.taken_back import note_of, state_then
from mirror.catalog import CatalogDocument, State
from mirror.errors import GuardHeld

SMALL_BYTES = 1000
LEFT = 10  # a tenth; half of it may be the same document without its blanks


def check(
    connection: Connection,
    settings: BackupSettings,
    known: CatalogDocument,
    document: Document,
    last: LastRead | None,
) -> None:
    """Raises GuardHeld when less than a tenth is left of a document of 1,000 bytes or more, and no restore made it so.

    `last`: the document as it was last read, which spares the question to the target how large the known one is.
    """
    if not settings.guard_shrink or document.sha256 == known.sha256:
        return
    after = document.size
    before = last.size if last and last.sha256 == known.sha256 else _size(connection, known)
    if not _too_small(before, after):
        return
    if note := note_of(settings, known.file, known.sha256):
        then = state_then(connection, settings, note)
        point = next((each for each in then.documents if each.file == known.file), None) if then else None
        if point is not None and not _too_small(_size(connection, point), after):
            return
    raise GuardHeld(
        f"{known.file} is held, it was not mirrored: the document would go from {before} bytes to {after}",
        "if that is meant, let it through with: ./sidemirror accept (older restore points keep what goes); if not, "
        "bring it back with: ./sidemirror restore",
    )


def was_json(connection: Connection, state: State | None, known: CatalogDocument | None) -> bool | None:
    """Whether the version in the mirror is JSON; None where there is none."""
    if known is None or state is None:
        return None
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT is_json FROM sidemirror.document_contents WHERE source_id = %s AND sha256 = decode(%s, 'hex')",
            (state.source_id, known.sha256),
        )
        found = cursor.fetchall()
    return bool(found[0][0]) if found else None


def _too_small(before: int, after: int) -> bool:
    return before >= SMALL_BYTES and after * LEFT < before


def _size(connection: Connection, document: CatalogDocument) -> int:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.size FROM sidemirror.documents AS d "
            "JOIN sidemirror.document_contents AS c ON c.source_id = d.source_id AND c.sha256 = decode(%s, 'hex') "
            "WHERE d.id = %s",
            (document.sha256, document.id),
        )
        found = cursor.fetchall()
    return int(found[0][0]) if found else 0
