"""Staged and verified files into place, and what was there aside; finished by the next start if it is cut off.

The list of moves is on disk before the first of them. Each can be done twice. So after a crash at any point, `finish`
ends with every new file in place, and until then each file is the old one or the new one, whole. Old side files go before
the new database comes: SQLite would apply an old -wal to it. What is in them is the old database's own content, so it is
taken into the old database before they go.
"""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

from pydantic import TypeAdapter

from mirror import notes, safe_files
from mirror.errors import RestoreError
from mirror.locking import only_one
from mirror.restored import FOLDER
from mirror.safe_files import SIDE_FILES

REPLACED = "replaced"


@dataclass(frozen=True)
class Move:
    """One file: staged -> destination, and what is there -> replaced (all as text, for the list on disk)."""

    staged: notes.Name
    destination: notes.Name
    replaced: notes.Name


_JOURNAL = TypeAdapter(tuple[Move, ...])
_JOURNAL_BYTES = 100_000_000  # three paths for each file of the bot's


def staging_folder(root: Path) -> Path:
    """Where files are staged: below the same folder, so that the last step is a rename on one file system."""
    return root / FOLDER / "staged"


@contextmanager
def one_at_a_time(journal: Path) -> Iterator[None]:
    """Held for the length of a restore. Raises RunInProgress when another restore holds it."""
    with only_one(journal.with_suffix(".lock"), "another restore is in progress", "wait for it to end"):
        yield


def swap(moves: tuple[Move, ...], journal: Path) -> None:
    """Does all moves, or leaves a journal from which `finish` does the rest."""
    notes.write(journal, _JOURNAL, moves)
    finish(journal)


def unfinished(journal: Path) -> tuple[Move, ...]:
    """What is left to do of a swap that was cut off. Raises RestoreError for a list that no restore wrote."""
    try:
        moves = notes.read(journal, _JOURNAL, _JOURNAL_BYTES)
    except FileNotFoundError:
        return ()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no list of moves"
        raise RestoreError(
            f"the list of what an earlier restore was moving cannot be read: {journal}: {why}",
            "delete it, start, and restore again: some files may be of before that restore, and others of after it",
        ) from error
    return tuple(move for move in moves if os.path.lexists(move.staged))


def finish(journal: Path) -> None:
    """Does what is left of a swap that was begun."""
    for move in unfinished(journal):
        _move(Path(move.staged), Path(move.destination), Path(move.replaced))
    if os.path.lexists(journal):
        journal.unlink()
        sync(journal.parent)


def clean_up(root: Path) -> None:
    """Removes what an earlier restore staged and did not use."""
    if safe_files.is_folder(root / FOLDER):  # not by way of a link
        shutil.rmtree(staging_folder(root), ignore_errors=True)


def _move(staged: Path, destination: Path, replaced: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    replaced.parent.mkdir(parents=True, exist_ok=True)
    if os.path.lexists(destination):
        replaced = _free_name(destination, replaced)
        if not os.path.lexists(replaced):
            _link(destination, replaced)
        _take_in_side_files(destination, replaced)
    for suffix in SIDE_FILES:
        side, kept = Path(f"{destination}{suffix}"), Path(f"{replaced}{suffix}")
        if os.path.lexists(side):
            side.unlink() if os.path.lexists(kept) else side.rename(kept)
    sync(replaced.parent)
    sync(destination.parent)
    staged.rename(destination)
    sync(destination.parent)


def _free_name(destination: Path, replaced: Path) -> Path:
    """`replaced`, unless it keeps another file already: the bot ran, and wrote a new one, after a restore was cut off."""
    for number in count(2):
        if not os.path.lexists(replaced) or os.path.samestat(replaced.lstat(), destination.lstat()):
            return replaced
        replaced = replaced.with_name(f"{destination.name}.{number}")
    raise AssertionError


def _link(destination: Path, replaced: Path) -> None:
    """A second name for the file that is there, so that it stays in place until the new one comes."""
    try:
        os.link(destination, replaced, follow_symlinks=False)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EXDEV):
            raise
        _copy(destination, replaced)


def _take_in_side_files(destination: Path, replaced: Path) -> None:
    """Keeps a copy of each side file, and lets SQLite bring what is in them into the database.

    A copy applied once more to that database changes nothing. A database that is damaged stays as it is.
    """
    there = [suffix for suffix in SIDE_FILES if suffix != "-shm" and os.path.lexists(f"{destination}{suffix}")]
    if not there or any(safe_files.kind(path) for path in safe_files.with_side_files(destination)):
        return  # what is a link or a FIFO is kept as that, and SQLite is not let near it
    for suffix in there:
        if not os.path.lexists(f"{replaced}{suffix}"):
            _copy(Path(f"{destination}{suffix}"), Path(f"{replaced}{suffix}"))
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{quote(str(destination))}?mode=rw", uri=True)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        old.execute("SELECT count(*) FROM sqlite_schema").fetchall()


def _copy(original: Path, into: Path) -> None:
    unfinished = into.with_name(into.name + ".copying")
    unfinished.unlink(missing_ok=True)
    if original.is_symlink():
        unfinished.symlink_to(original.readlink())
    else:
        copy(original, unfinished)
    unfinished.rename(into)


def copy(original: Path, into: Path, below: Path | None = None) -> None:
    """A durable copy of a regular file, with its mode and times. Raises OSError, Refused for a link or a FIFO."""
    with safe_files.opened(original, below) as file:
        status = os.fstat(file)
        safe_files.copy_descriptor(file, into, status.st_size, original)
    into.chmod(stat.S_IMODE(status.st_mode))
    os.utime(into, ns=(status.st_atime_ns, status.st_mtime_ns))
    sync(into)


def sync(path: Path) -> None:
    """Makes a file's content, or a folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
