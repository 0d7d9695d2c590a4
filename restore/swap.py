"""Staged and verified files into place, and what was there aside; finished by the next start if it is cut off.

The list of moves is on disk before the first of them. Each can be done twice. So after a crash at any point, `finish`
ends with every new file in place, and until then each file is the old one or the new one, whole. Old side files go before
the new database comes: SQLite would apply an old -wal to it. What is in them is the old database's own content, so it is
taken into the old database before they go.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from urllib.parse import quote

from mirror.locking import only_one
from mirror.restored import FOLDER

SIDE_FILES = ("-wal", "-shm", "-journal")
REPLACED = "replaced"


@dataclass(frozen=True)
class Move:
    """One file: staged -> destination, and what is there -> replaced (all as text, for the list on disk)."""

    staged: str
    destination: str
    replaced: str


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
    journal.parent.mkdir(parents=True, exist_ok=True)
    unfinished = journal.with_suffix(".new")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump([asdict(move) for move in moves], file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(journal)
    sync(journal.parent)
    finish(journal)


def unfinished(journal: Path) -> tuple[Move, ...]:
    """What is left to do of a swap that was cut off."""
    if not journal.exists():
        return ()
    moves = [Move(**move) for move in json.loads(journal.read_text(encoding="utf-8"))]
    return tuple(move for move in moves if Path(move.staged).exists())


def finish(journal: Path) -> None:
    """Does what is left of a swap that was begun."""
    for move in unfinished(journal):
        _move(Path(move.staged), Path(move.destination), Path(move.replaced))
    if journal.exists():
        journal.unlink()
        sync(journal.parent)


def clean_up(root: Path) -> None:
    """Removes what an earlier restore staged and did not use."""
    shutil.rmtree(staging_folder(root), ignore_errors=True)


def _move(staged: Path, destination: Path, replaced: Path) -> None:
    destination.parent.mkdir(parents=True, exist_ok=True)
    replaced.parent.mkdir(parents=True, exist_ok=True)
    if destination.exists():
        replaced = _free_name(destination, replaced)
        if not replaced.exists():
            _link(destination, replaced)
        _take_in_side_files(destination, replaced)
    for suffix in SIDE_FILES:
        side, kept = Path(f"{destination}{suffix}"), Path(f"{replaced}{suffix}")
        if side.exists():
            side.unlink() if kept.exists() else side.rename(kept)
    sync(replaced.parent)
    sync(destination.parent)
    staged.rename(destination)
    sync(destination.parent)


def _free_name(destination: Path, replaced: Path) -> Path:
    """`replaced`, unless it keeps another file already: the bot ran, and wrote a new one, after a restore was cut off."""
    for number in count(2):
        if not replaced.exists() or replaced.samefile(destination):
            return replaced
        replaced = replaced.with_name(f"{destination.name}.{number}")
    raise AssertionError


def _link(destination: Path, replaced: Path) -> None:
    """A second name for the file that is there, so that it stays in place until the new one comes."""
    try:
        os.link(destination, replaced)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EXDEV):
            raise
        _copy(destination, replaced)


def _take_in_side_files(destination: Path, replaced: Path) -> None:
    """Keeps a copy of each side file, and lets SQLite bring what is in them into the database.

    A copy applied once more to that database changes nothing. A database that is damaged stays as it is.
    """
    there = [suffix for suffix in SIDE_FILES if suffix != "-shm" and Path(f"{destination}{suffix}").exists()]
    if not there:
        return
    for suffix in there:
        if not Path(f"{replaced}{suffix}").exists():
            _copy(Path(f"{destination}{suffix}"), Path(f"{replaced}{suffix}"))
    with suppress(sqlite3.Error), closing(sqlite3.connect(f"file:{quote(str(destination))}?mode=rw", uri=True)) as old:
        old.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        old.execute("SELECT count(*) FROM sqlite_schema").fetchall()


def _copy(original: Path, into: Path) -> None:
    unfinished = into.with_name(into.name + ".copying")
    shutil.copy2(original, unfinished, follow_symlinks=False)
    if not unfinished.is_symlink():
        sync(unfinished)
    unfinished.rename(into)


def sync(path: Path) -> None:
    """Makes a file's content, or a folder's names, durable."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
