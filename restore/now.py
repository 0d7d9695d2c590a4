"""What is there now, as a private copy: looked at without a trace, whether the bot runs, has crashed, or left a ruin."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from mirror import safe_files, super_journal
from mirror.errors import RestoreError, SourceUnreadable
from restore.live import user_of

_TRIES = 20
_WAIT_SECONDS = 5.0


def private_copy(database: Path, into: Path) -> str | None:
    """Copies a database, with what stands in its side files, to the new file `into`.

    Gives None, or why the file cannot be read as a database. Raises RestoreError when it changed again and again while it
    was copied.
    """
    if why := _no_database(database):
        return why
    for _ in range(_TRIES):
        before = _seen(database)
        try:
            _copy_live(database, into) if user_of(database) is not None else _copy_at_rest(database, into)
        except (sqlite3.Error, FileNotFoundError, safe_files.Refused) as error:
            if _seen(database) == before:
                return str(error)
            continue
        if _seen(database) == before or user_of(database) is not None:
            return None
    raise RestoreError(f"{database.name} changed while it was looked at", "try again when the bot writes less")


def _no_database(database: Path) -> str | None:
    """SQLite would follow a link, and wait at a FIFO."""
    try:
        safe_files.require_files(safe_files.with_side_files(database))
    except safe_files.Refused as error:
        return error.strerror
    return None


def _size(path: Path) -> int | None:
    try:
        return path.lstat().st_size
    except FileNotFoundError:
        return None


def _copy_live(database: Path, into: Path) -> None:
    """By SQLite, as one more reader of the file."""
    into.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"file:{quote(str(database))}?mode=ro", uri=True, timeout=_WAIT_SECONDS)) as source,
        closing(sqlite3.connect(into)) as copy,
    ):
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        source.backup(copy)
    _at_rest(into)


def _copy_at_rest(database: Path, into: Path) -> None:
    """By bytes: opening the file itself would make side files, or take in the ones that are there."""
    for suffix in ("", "-wal", "-journal"):
        there, copied = Path(f"{database}{suffix}"), Path(f"{into}{suffix}")
        copied.unlink(missing_ok=True)
        if (size := _size(there)) is not None:
            safe_files.copy(there, copied, most=size)
    try:
        super_journal.settle(database, Path(f"{into}-journal"))
    except SourceUnreadable as error:
        raise sqlite3.DatabaseError(error.what) from error
    _at_rest(into)


def _at_rest(copy: Path) -> None:
    """Takes the copy's side files in."""
    with closing(sqlite3.connect(copy)) as connection:
        connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        connection.execute("PRAGMA ignore_check_constraints = ON")
        (problem,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if problem != "ok":
        raise sqlite3.DatabaseError(str(problem))


def _seen(database: Path) -> list[tuple[int, int, int]]:
    found = []
    for suffix in ("", "-wal", "-journal"):
        try:
            status = Path(f"{database}{suffix}").lstat()
        except FileNotFoundError:
            continue
        found.append((status.st_ino, status.st_size, status.st_mtime_ns))
    return found
