"""The shadows: local copies of the databases as the target holds them, each named by the run that brought it there.

A shadow is a cache. It is used only if the target names the same run for that database; otherwise it is made again from
the target, by the code that restores. So no crash between the target's commit and this folder can mislead a run.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote
from uuid import UUID

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mirror.catalog import CatalogDatabase
from mirror.errors import EDITED_HINT, NotVerified, TargetEdited, TargetMoved
from mirror.inspection import inspect
from mirror.rebuild import rebuild
from mirror.target import reading


class Shadows:
    def __init__(self, state_dir: Path) -> None:
        self.folder = state_dir / "shadow"

    def path(self, file: str, token: UUID) -> Path:
        """Where the copy that a run brings to the target stands; its folder is made."""
        stem = Path(file).name.rsplit(".", 1)[0][:40]
        folder = self.folder / f"{quote(stem, safe='')}-{hashlib.sha256(file.encode()).hexdigest()[:12]}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / f"{token}.sqlite"

    def has(self, known: CatalogDatabase) -> bool:
        return self.path(known.file, known.token).exists()

    def rebuild(self, connection: Connection, known: CatalogDatabase, last_run: int) -> CatalogDatabase:
        """Makes the shadow from the target. Raises TargetEdited when that is not what was mirrored: it is no shadow then."""
        found = self._rebuild(connection, known, last_run)
        if found.content_hash != known.content_hash:
            self._unfinished(known).unlink()
            raise edited(known.file, "what came back is not what was mirrored")
        self._unfinished(known).rename(self.path(known.file, known.token))
        return known

    def rebuild_as_found(self, connection: Connection, known: CatalogDatabase, last_run: int) -> CatalogDatabase:
        """The same from a mirror that cannot be proved any more; gives the database as it is there."""
        found = self._rebuild(connection, known, last_run)
        self._unfinished(known).rename(self.path(known.file, known.token))
        return found

    def _unfinished(self, known: CatalogDatabase) -> Path:
        return self.path(known.file, known.token).with_suffix(".unfinished")

    def _rebuild(self, connection: Connection, known: CatalogDatabase, last_run: int) -> CatalogDatabase:
        unfinished = self._unfinished(known)
        unfinished.unlink(missing_ok=True)
        try:
            with reading(connection) as cursor:
                _require_unmoved(cursor, known)
                rebuild(cursor, known, unfinished, last_run, last_run)
            return _as_found(unfinished, known)
        except (NotVerified, psycopg2.ProgrammingError) as error:
            unfinished.unlink(missing_ok=True)
            with connection.cursor() as cursor:
                cursor.execute("ROLLBACK")
            why = error.what if isinstance(error, NotVerified) else str(error.diag.message_primary)
            raise edited(known.file, why) from error

    def forget(self, known: CatalogDatabase) -> None:
        self.path(known.file, known.token).unlink()

    def keep_only(self, file: str, token: UUID) -> None:
        """Removes every other copy of this database."""
        kept = self.path(file, token)
        for other in kept.parent.iterdir():
            if other != kept:
                other.unlink()


def _require_unmoved(cursor: Cursor, known: CatalogDatabase) -> None:
    """Raises TargetMoved when another run has been there since the state was read: then nobody else changed anything."""
    cursor.execute("SELECT token FROM sidemirror.databases WHERE id = %s", (known.id,))
    if [UUID(str(token)) for (token,) in cursor.fetchall()] != [known.token]:
        raise TargetMoved(
            f"another run has changed {known.file} meanwhile", "nothing to do: the next run starts from there"
        )


def edited(file: str, why: str) -> TargetEdited:
    return TargetEdited(f"the mirror of {file} was changed by somebody else: {why}", EDITED_HINT)


def _as_found(path: Path, known: CatalogDatabase) -> CatalogDatabase:
    found = inspect(path, known.pragmas.journal_mode)
    tables = tuple(replace(table, content=found.contents[table.mirror.name]) for table in known.tables)
    return replace(known, tables=tables, content_hash=found.content_hash)
