"""Everything that is to be restored, made and verified beside its destination; nothing in place is touched."""

from __future__ import annotations

import logging
import os
import sqlite3
from pathlib import Path

from psycopg2.extensions import cursor as Cursor

from mirror.document_content import receive
from mirror.errors import NotVerified
from mirror.inspection import inspect
from mirror.names import quote_sqlite
from mirror.rebuild import rebuild
from restore.plan import DatabaseStep, DocumentStep, Plan
from restore.progress import Watch

log = logging.getLogger(__name__)


def stage_database(cursor: Cursor, plan: Plan, step: DatabaseStep, staged: Path, watch: Watch) -> None:
    """Builds one database in the new file `staged` and proves that it is what was mirrored. Raises NotVerified."""
    staged.parent.mkdir(parents=True, exist_ok=True)
    remove(staged)
    unordered = rebuild(cursor, step.database, staged, plan.run, plan.state.last_run, watch)
    watch.checking(step.database.file)
    verify(staged, step)
    if unordered:
        log.warning(
            "%s: %s are in an order, or of values, that only the bot's own program knows. Its rows are right; before it "
            "reads them, it has to run: REINDEX",
            step.database.file,
            ", ".join(map(quote_sqlite, unordered)),
        )
    staged.chmod(step.database.mode)


def verify(staged: Path, step: DatabaseStep) -> None:
    """SQLite's integrity check, then the content hash against the target's. Raises NotVerified."""
    try:
        found = inspect(staged, step.database.pragmas.journal_mode, check=True)
    except sqlite3.Error as error:
        raise _not_verified(step, f"SQLite's integrity check says: {error}") from error
    if found.problems:
        raise _not_verified(step, f"SQLite's integrity check says: {'; '.join(found.problems)}")
    if found.content_hash != step.database.content_hash:
        expected = {table.mirror.name: table.content for table in step.database.tables}
        names = sorted(expected.keys() | found.contents.keys())
        differing = [name for name in names if expected.get(name) != found.contents.get(name)]
        raise _not_verified(step, f"what differs from what was mirrored: {', '.join(differing) or 'the schema'}")


def stage_document(cursor: Cursor, plan: Plan, step: DocumentStep, staged: Path) -> None:
    """Writes one document to `staged`, durable, with its mode and time. Raises NotVerified."""
    staged.parent.mkdir(parents=True, exist_ok=True)
    with staged.open("wb") as file:
        found = receive(cursor, plan.state, step.document.sha256, file.write)
        file.flush()
        os.fsync(file.fileno())
    if found.sha256 != step.document.sha256:
        staged.unlink()
        raise NotVerified(
            f"{step.document.file} in the target is not what was mirrored: "
            + ("its content is gone" if found.gone else "its checksum differs"),
            "somebody changed it there; choose an older restore point with --run",
        )
    staged.chmod(step.document.mode)
    os.utime(staged, ns=(step.document.mtime_ns, step.document.mtime_ns))


def _not_verified(step: DatabaseStep, why: str) -> NotVerified:
    return NotVerified(
        f"{step.database.file} was not restored: {why}",
        "nothing in place was touched; somebody may have changed the mirror: choose an older restore point with --run, "
        "or run a full backup from a machine that still has the data",
    )


def remove(staged: Path) -> None:
    """What is there of a staged file."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{staged}{suffix}").unlink(missing_ok=True)
