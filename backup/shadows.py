"""The shadows: local copies of the databases as the target holds them, each named by the run that brought it there.

A shadow is a cache. It is used only if the target names the same run for that database; otherwise it is made again from
the target, by the code that restores. So no crash between the target's commit and this folder can mislead a run.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any
from urllib.parse import quote
from uuid import UUID, uuid4

import psycopg2
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from backup import sums
from backup.changes import Pending
from backup.refresh import Base
from backup.wal import Position
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
        self._put(known)
        return known

    def rebuild_as_found(self, connection: Connection, known: CatalogDatabase, last_run: int) -> CatalogDatabase:
        """The same from a mirror that cannot be proved any more; gives the database as it is there."""
        found = self._rebuild(connection, known, last_run)
        self._put(known)
        return found

    def _put(self, known: CatalogDatabase) -> None:
        path = self.path(known.file, known.token)
        sums.write(sums.of_file(self._unfinished(known)), path)
        self._unfinished(known).rename(path)

    def sums(self, known: CatalogDatabase) -> sums.Sums | None:
        """What each page of the shadow has to be; None of one that an older version made."""
        return sums.read(self.path(known.file, known.token))

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

    def is_sound(self, known: CatalogDatabase) -> bool:
        """Whether the shadow is what was written there, as far as that is known."""
        path, its_sums = self.path(known.file, known.token), self.sums(known)
        try:
            if its_sums is not None:
                its_sums.check_file(path)
        except (sums.Damaged, OSError):
            return False
        return True

    def forget(self, known: CatalogDatabase) -> None:
        path = self.path(known.file, known.token)
        path.unlink(missing_ok=True)
        sums.place(path).unlink(missing_ok=True)

    def drop(self, token: UUID) -> None:
        """Removes what a run would have brought to the target that was not committed."""
        for path in self.folder.glob(f"*/{token}.*"):
            path.unlink(missing_ok=True)

    def keep(self, pending: Pending) -> dict[str, Any]:
        """Keeps the shadow and a spare copy, removes every other one; gives the note that `base` wants to have back.

        The spare copy has a name that no other ever has, so an old note cannot be taken for one about it.
        """
        spare, pages = None, sorted(pending.changed or ())
        if pending.other is not None and pending.changed is not None:
            spare = pending.other.with_name(f"{uuid4()}.spare")
            pending.other.rename(spare)
        for other in pending.path.parent.iterdir():
            if other not in (pending.path, sums.place(pending.path), spare):
                other.unlink(missing_ok=True)
        position = asdict(pending.position) if pending.position else None
        return {
            "boot": _boot(),
            "shadow": _identity(pending.path),
            "spare": [spare.name, _identity(spare)] if spare else None,
            "pages": pages if spare else [],
            "position": position,
        }

    def base(self, known: CatalogDatabase, note: dict[str, Any]) -> Base | None:
        """What the next snapshot can be made of; `note` is what `keep` gave when it kept this very shadow.

        What is not synced to disk counts until the machine is started again, and no longer.
        """
        shadow, its_sums = self.path(known.file, known.token), self.sums(known)
        if its_sums is None or not shadow.exists():
            return None
        plain = Base(shadow, None, frozenset(), None, its_sums)
        try:
            return _noted(plain, note)
        except (KeyError, TypeError, ValueError, IndexError, AttributeError):
            return plain  # not a note of ours, or of another version

    def sweep(self, known: Iterable[CatalogDatabase], noted: Iterable[str]) -> None:
        """Removes what no run will use again: the shadows of databases that are gone, and copies that a run left which was
        ended in the middle. `noted`: the names of spare copies that notes speak of."""
        kept = {self.path(database.file, database.token) for database in known}
        names = {path.stem for path in kept} | {Path(name).stem for name in noted}
        folders = {path.parent for path in kept}
        for folder in self.folder.iterdir() if self.folder.is_dir() else ():
            if folder not in folders:
                shutil.rmtree(folder, ignore_errors=True)
                continue
            for path in folder.iterdir():
                if path.name.split(".", 1)[0] not in names:
                    path.unlink(missing_ok=True)


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


def _noted(plain: Base, note: dict[str, Any]) -> Base:
    shadow = plain.shadow
    if note["boot"] != _boot() or note["shadow"] != _identity(shadow):
        return plain
    spare = shadow.with_name(note["spare"][0]) if note["spare"] else None
    if spare is not None and _identity(spare) != note["spare"][1]:
        spare = None
    position = Position(**note["position"]) if note["position"] else None
    return replace(plain, spare=spare, differs=frozenset(note["pages"]) if spare else frozenset(), position=position)


def _identity(path: Path) -> list[int] | None:
    """This very file, as it was left: one that was made again under its name is another."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return [stat.st_ino, stat.st_size, stat.st_mtime_ns]


def _boot() -> str:
    """This start of the machine, by the kernel's own name for it (random(4))."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
