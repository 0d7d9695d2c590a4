"""Staged and verified files into place, and what was there aside; finished by the next start if it is cut off.

The list of moves is on disk before the first of them. Each can be done twice. So after a crash at any point, `finish`
ends with every new file in place. Old side files go before the new database comes: SQLite would apply an old -wal to it.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

SIDE_FILES = ("-wal", "-shm", "-journal")
FOLDER = ".sidemirror"
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


def swap(moves: tuple[Move, ...], journal: Path) -> None:
    """Does all moves, or leaves a journal from which `finish` does the rest."""
    journal.parent.mkdir(parents=True, exist_ok=True)
    unfinished = journal.with_suffix(".new")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump([asdict(move) for move in moves], file)
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(journal)
    _sync(journal.parent)
    finish(journal)


def finish(journal: Path) -> bool:
    """Does what is left of a swap that was begun; gives whether there was one."""
    if not journal.exists():
        return False
    for move in json.loads(journal.read_text(encoding="utf-8")):
        _move(Move(**move))
    journal.unlink()
    _sync(journal.parent)
    return True


def clean_up(root: Path) -> None:
    """Removes what an earlier restore staged and did not use."""
    shutil.rmtree(staging_folder(root), ignore_errors=True)


def _move(move: Move) -> None:
    staged, destination, replaced = Path(move.staged), Path(move.destination), Path(move.replaced)
    if not staged.exists():
        return  # done before the crash
    destination.parent.mkdir(parents=True, exist_ok=True)
    replaced.parent.mkdir(parents=True, exist_ok=True)
    if destination.exists() and not replaced.exists():
        _link(destination, replaced)
    for suffix in SIDE_FILES:
        side = Path(f"{destination}{suffix}")
        if side.exists():
            side.rename(f"{replaced}{suffix}")
    _sync(replaced.parent)
    _sync(destination.parent)
    staged.rename(destination)
    _sync(destination.parent)


def _link(destination: Path, replaced: Path) -> None:
    """A second name for the file that is there, so that it stays in place until the new one comes."""
    try:
        os.link(destination, replaced)
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.EMLINK, errno.ENOTSUP, errno.EXDEV):
            raise
        copy = replaced.with_name(replaced.name + ".copying")
        shutil.copy2(destination, copy)
        with copy.open("rb") as file:
            os.fsync(file.fileno())
        copy.rename(replaced)


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
