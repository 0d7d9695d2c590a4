"""A private copy of one database at one instant, taken from a bot that goes on writing.

What works through a read-only mount was measured (docs/decisions/0003-reading-live-sqlite.md): SQLite's own backup in one
step where SQLite can open the file, and where it cannot (a WAL database that is at rest, a hot journal) a copy of the
quiet files that SQLite then recovers in private. Nothing here can write to the bot's files: they are opened read-only.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from backup.refresh import Base, CannotRefresh, Fresh, prepare, refresh
from backup.source import MAGIC
from backup.wal import Position, Wal
from mirror import safe_files
from mirror.errors import (
    SidemirrorError,
    SourceBusy,
    SourceCorrupt,
    SourceMissing,
    SourceUnreadable,
    SourceUnsupported,
    StateError,
)
from mirror.inspection import header_journal_mode
from mirror.names import quote_sqlite

BUSY_SECONDS = 5.0
DEADLINE_SECONDS = 30.0
QUIET_SECONDS = 1.0

# A database of this size is checked whole at each run: 4 MB take SQLite about 10 ms.
SMALL_BYTES = 4_000_000

_COLD = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)
_BUSY = (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
_BROKEN = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


@dataclass(frozen=True)
class Snapshot:
    """A checked copy. `journal_mode` and `mode` (permission bits) are the source's.

    `changed`: the pages in which it differs from the shadow; None where that is not known. If it is, and the file is large,
    nothing but what was copied has been checked.
    """

    path: Path
    journal_mode: str
    mode: int
    changed: frozenset[int] | None = None
    position: Position | None = None


class _Unquiet(Exception):
    """The files changed while they were copied."""


def take(
    source: Path, into: Path, full_check: bool, base: Base | None = None, deadline: float = DEADLINE_SECONDS
) -> Snapshot:
    """Copies the database to the new file `into` and checks it. `base`: what can be made use of, so that less is copied.

    Raises SourceMissing, SourceUnreadable, SourceBusy (locked for longer than `deadline` seconds), SourceCorrupt,
    SourceUnsupported, or StateError when there is no room for the copy.
    """
    mode = _stat_mode(source)
    require_openable(source)
    _refuse_other_formats(source)
    waiting = Retrying(
        stop=stop_after_delay(deadline),
        wait=wait_random_exponential(multiplier=0.05, max=1),
        retry=retry_if_exception_type((SourceBusy, _Unquiet)),
        reraise=True,
    )
    try:
        fresh = waiting(_copy, source, into, base)
    except _Unquiet:
        raise SourceBusy(
            f"{source.name} could not be copied: it changed all the time, and SQLite cannot open it here",
            "does the bot write it in an unusual mode? See docs/reading.md",
        ) from None
    journal_mode = header_journal_mode(into)
    if fresh.changed is None or into.stat().st_size <= SMALL_BYTES:
        check(into, source.name, full_check)
    return Snapshot(into, journal_mode, mode, fresh.changed, fresh.position)


def require_openable(source: Path) -> None:
    """Raises SourceUnsupported where SQLite, which opens by name, would follow a link or wait at a FIFO."""
    try:
        safe_files.require_files(safe_files.with_side_files(source))
    except safe_files.Refused as error:
        raise SourceUnsupported(
            f"{source.name} is not mirrored: {error.strerror}",
            "SQLite has not put that there: find out who did, and remove it; all others go on",
        ) from error


def check(copy: Path, name: str, full: bool, table: str | None = None) -> None:
    """SQLite's own check of a private copy, or of one table in it.

    Raises SourceCorrupt, or SourceUnsupported when it needs an extension.
    """
    connection = sqlite3.connect(f"file:{quote(str(copy))}?mode=ro&immutable=1", uri=True)
    try:
        pragma = "integrity_check" if full else "quick_check"
        problems = connection.execute(f"PRAGMA {pragma}({quote_sqlite(table) if table else 3})").fetchall()
    except sqlite3.Error as error:
        raise explain(error, name) from error
    finally:
        connection.close()
    if problems != [("ok",)]:
        raise SourceCorrupt(
            f"{name} is corrupt: {'; '.join(str(problem) for (problem,) in problems[:3])}",
            "the mirror stays as it was; bring the last good state back with: ./sidemirror restore --only "
            + name.rsplit(".", 1)[0],
        )


def explain(error: sqlite3.Error, name: str) -> SidemirrorError:
    """What SQLite said about a source, as our own error."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in _BUSY:
        return SourceBusy(
            f"{name} is locked: another program holds it exclusively",
            "it is tried again at the next run; a bot that uses locking_mode=EXCLUSIVE cannot be mirrored while it runs",
        )
    if code in _BROKEN:
        return SourceCorrupt(
            f"{name} is corrupt: {error}",
            "the mirror stays as it was; bring the last good state back with: ./sidemirror restore",
        )
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and "disk" in str(error)):
        return StateError("there is no room in the state folder for a copy of " + name, "make room on that disk")
    if any(words in str(error) for words in ("no such collation", "no such function", "no such module")):
        return SourceUnsupported(
            f"{name} uses something that this SQLite does not have: {error}",
            "keep what needs the bot's own extension in a database of its own",
        )
    return SourceUnreadable(f"{name} cannot be read: {error}", "see docs/reading.md")


def _copy(source: Path, into: Path, base: Base | None) -> Fresh:
    remove(into)
    try:
        if base is not None:
            with suppress(CannotRefresh):
                return _copy_changed(source, into, base)
        remove(into)
        return _copy_hot(source, into)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _COLD:
            raise explain(error, source.name) from error
        remove(into)
        _copy_cold(source, into)
        return Fresh(None, None)
    except OSError as error:  # SQLite reads the source; all that is done without it is done in the state folder
        raise StateError(
            f"the copy of {source.name} in the state folder cannot be written: {error.strerror}",
            "make room on that disk, or give the folder to the sidecar's user",
        ) from error


def _copy_changed(source: Path, into: Path, base: Base) -> Fresh:
    stale = prepare(base, into)
    with Wal(source) as wal:
        position = wal.position()
        with _reading(source) as reader:
            changed = refresh(reader, wal, base, into, stale)
    return Fresh(changed, position)


def _copy_hot(source: Path, into: Path) -> Fresh:
    with Wal(source) as wal:
        position = wal.position()
        with _reading(source) as reader:
            writer = sqlite3.connect(into, isolation_level=None)
            try:
                writer.execute("PRAGMA synchronous = OFF")
                reader.backup(writer, pages=-1)
            finally:
                writer.close()
    return Fresh(None, position)


@contextmanager
def _reading(source: Path) -> Iterator[sqlite3.Connection]:
    """A connection in a read transaction."""
    require_openable(source)  # again: this one is waited for, and tried again
    reader = sqlite3.connect(f"file:{quote(str(source))}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None)
    try:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # takes the read lock; tells precisely why not
        yield reader
    finally:
        reader.close()


def _copy_cold(source: Path, into: Path) -> None:
    """Copies the files while nobody writes to them, and lets SQLite recover the copy."""
    suffixes = ("", "-wal", "-journal")
    before = _notes(source, suffixes)
    if before[0] is None:
        raise SourceMissing(f"{source.name} is not there", "was it moved or deleted? The mirror stays as it was")
    newest = max(note[3] for note in before if note is not None)
    quiet = time.time() - newest / 1e9
    if quiet < QUIET_SECONDS:
        time.sleep(QUIET_SECONDS - quiet if quiet >= 0 else QUIET_SECONDS)
    try:
        for suffix, note in zip(suffixes, before, strict=True):
            if note is not None:
                safe_files.copy(Path(f"{source}{suffix}"), Path(f"{into}{suffix}"), most=note[1])
    except (FileNotFoundError, safe_files.Refused):  # it is another one than was looked at, or it grew
        raise _Unquiet from None
    except OSError as error:
        raise _explain_os(error, source) from error
    if _notes(source, suffixes) != before:
        raise _Unquiet
    recovered = sqlite3.connect(into, isolation_level=None)
    try:
        recovered.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        recovered.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    except sqlite3.Error as error:
        raise explain(error, source.name) from error
    finally:
        recovered.close()


def _notes(source: Path, suffixes: tuple[str, ...]) -> tuple[tuple[int, int, int, int] | None, ...]:
    notes: list[tuple[int, int, int, int] | None] = []
    for suffix in suffixes:
        try:
            stat = Path(f"{source}{suffix}").lstat()
        except FileNotFoundError:
            notes.append(None)
        else:
            notes.append((stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return tuple(notes)


def _stat_mode(source: Path) -> int:
    try:
        return source.lstat().st_mode & 0o7777
    except FileNotFoundError:
        raise SourceMissing(
            f"{source.name} is not there", "was it moved or deleted? The mirror stays as it was"
        ) from None


def _refuse_other_formats(source: Path) -> None:
    try:
        start = safe_files.read_start(source, len(MAGIC))
    except OSError as error:
        raise _explain_os(error, source) from error
    if start and not start.strip(b"\0"):
        raise SourceCorrupt(
            f"{source.name} begins with zeros: its content was overwritten, as after a power cut or by a full disk",
            "the mirror stays as it was; bring the last good state back with: ./sidemirror restore",
        )
    if start and not MAGIC.startswith(start[: len(MAGIC)]):
        raise SourceUnsupported(
            f"{source.name} is not a SQLite file, or it is encrypted",
            "give it another name, or move it out of the folder, if it is no database; encrypted files cannot be mirrored",
        )


def _explain_os(error: OSError, source: Path) -> SidemirrorError:
    if error.errno == 28:  # ENOSPC
        return StateError(f"there is no room in the state folder for a copy of {source.name}", "make room on that disk")
    return SourceUnreadable(
        f"{source.name} cannot be read: {error.strerror}",
        "run the sidecar as the bot's user (BOT_UID and BOT_GID in .env)",
    )


def remove(into: Path) -> None:
    """Removes a copy with its side files, whatever of them is there."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        Path(f"{into}{suffix}").unlink(missing_ok=True)


def synced(path: Path) -> None:
    """Makes a finished file durable, with its name."""
    for target in (path, path.parent):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
