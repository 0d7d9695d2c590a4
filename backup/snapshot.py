"""A private copy of one database at one instant, taken from a bot that goes on writing.

What works through a read-only mount was measured (docs/decisions/0003-reading-live-sqlite.md): SQLite's own backup in one
step where SQLite can open the file, and where it cannot (a WAL database that is at rest, a hot journal) a copy of the
quiet files that SQLite then recovers in private. Nothing here can write to the bot's files: they are opened read-only.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_random_exponential

from backup import holes, sums
from backup.hot_copy import copy_changed, copy_hot
from backup.integrity import check, explain
from backup.read_lock import require_openable
from backup.refresh import Base, CannotRefresh, Fresh
from backup.soundness import require_sound_copy
from backup.source import MAGIC
from backup.wal import Position
from mirror import safe_files, super_journal
from mirror.errors import (
    SidemirrorError,
    SourceBusy,
    SourceCorrupt,
    SourceMissing,
    SourceUnreadable,
    SourceUnsupported,
    StateError,
)
from mirror.findings import Remark
from mirror.inspection import header_journal_mode

DEADLINE_SECONDS = 30.0
QUIET_SECONDS = 1.0

# A database of this size is checked whole at each run: 4 MB take SQLite about 10 ms.
SMALL_BYTES = 4_000_000

log = logging.getLogger(__name__)

_COLD = (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY)


@dataclass(frozen=True)
class Snapshot:
    """A checked copy. `journal_mode` and `mode` (permission bits) are the source's.

    `changed`: the pages in which it differs from the shadow; None where that is not known. If it is, and the file is large,
    nothing but what was copied has been checked. Beside the copy stand the `sums` of its pages. `remarks`: what a full check
    found and does no harm; None where there was none.
    """

    path: Path
    journal_mode: str
    mode: int
    sums: sums.Sums
    changed: frozenset[int] | None = None
    position: Position | None = None
    remarks: tuple[Remark, ...] | None = None


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
    holes.require_content(source)
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
    small = into.stat().st_size <= SMALL_BYTES
    if fresh.changed is not None:
        try:
            require_sound_copy(into, fresh.sums, whole=small)
        except sums.Damaged as error:
            log.warning("the last copy of %s is damaged (%s); it is copied whole", source.name, error)
            return take(source, into, full_check, None, deadline)
    sums.write(fresh.sums, into)
    remarks: tuple[Remark, ...] | None = None
    if fresh.changed is None or small:
        remarks = check(into, source.name, full_check)
    remarks = remarks if full_check else None
    return Snapshot(into, header_journal_mode(into), mode, fresh.sums, fresh.changed, fresh.position, remarks)


def _copy(source: Path, into: Path, base: Base | None) -> Fresh:
    remove(into)
    try:
        if base is not None:
            with suppress(CannotRefresh):
                return copy_changed(source, into, base)
        remove(into)
        return copy_hot(source, into)
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF not in _COLD:
            raise explain(error, source.name) from error
        remove(into)
        _copy_cold(source, into)
        return Fresh(None, None, sums.of_file(into))
    except OSError as error:  # SQLite reads the source; all that is done without it is done in the state folder
        raise StateError(
            f"the copy of {source.name} in the state folder cannot be written: {error.strerror}",
            "make room on that disk, or give the folder to the sidecar's user",
        ) from error


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
    super_journal.settle(source, Path(f"{into}-journal"))
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
    sums.place(into).unlink(missing_ok=True)


def synced(path: Path) -> None:
    """Makes a finished copy durable, with its sums and their names."""
    beside = sums.place(path)
    for target in (path, *([beside] if beside.exists() else []), path.parent):
        descriptor = os.open(target, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
