"""A commit over several attached databases that was cut off: did it come about or not?

Each of the files has a hot journal, and at its end the name of a super-journal (https://www.sqlite.org/atomiccommit.html,
section 5; fileformat2.html has no word of it, pager.c has: readSuperJournal). As long as the super-journal is there, none
of the files is committed; SQLite deletes it to commit all of them, and takes a journal whose super-journal is not there for
an old one that means nothing. The name is the full path that the bot knows. Here the same folder may have another path, and
then SQLite would not find it and keep what was never committed.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from mirror import safe_files
from mirror.errors import SourceUnreadable

_MAGIC = bytes.fromhex("d9d505f920a163d7")
_TAIL = 16  # length of the name, checksum of the name, magic
_LONGEST_NAME = 4096


def super_journal(journal: Path) -> str | None:
    """The name of the super-journal that this journal belongs to, as the bot knows it; None for one of a single file."""
    try:
        with os.fdopen(safe_files.descriptor(journal), "rb") as file:
            size = file.seek(0, 2)
            if size < _TAIL:
                return None
            file.seek(0)
            if file.read(1) == b"\0":
                return None  # a journal that is over begins with zeros
            file.seek(size - _TAIL)
            tail = file.read(_TAIL)
            length, checksum = int.from_bytes(tail[:4], "big"), int.from_bytes(tail[4:8], "big")
            if tail[8:] != _MAGIC or not 0 < length < min(_LONGEST_NAME, size - _TAIL):
                return None
            file.seek(size - _TAIL - length)
            name = file.read(length)
    except FileNotFoundError:
        return None
    return name.decode(errors="surrogateescape") if sum(name) == checksum else None


def require_decided(database: Path, journal: Path | None = None) -> bool:
    """Whether the super-journal of `database` (its journal: `journal`) is there under another path than the bot's.

    Then nothing was committed, and SQLite, which looks at the bot's path, would not know it. Raises SourceUnreadable where
    nobody can tell.
    """
    name = super_journal(journal or Path(f"{database}-journal"))
    if name is None or _exists(Path(name)):
        return False
    path = PurePosixPath(name)
    if _exists(database.with_name(path.name)):
        return True
    if path.parent == PurePosixPath(database.parent):
        return False  # the very folder: it was deleted, so the commit came about
    raise SourceUnreadable(
        f"{database.name} was left in the middle of a commit over several databases, and {path.name}, which says whether "
        "it came about, cannot be found here",
        "start the bot, or open the database where the bot runs: SQLite settles it there; all other databases go on",
    )


def settle(database: Path, journal: Path) -> None:
    """Makes a private copy of the journal of `database` say by itself what the bot's would say together with its folder.

    Raises SourceUnreadable where nobody can tell.
    """
    if require_decided(database, journal):
        with journal.open("r+b") as file:
            file.seek(-len(_MAGIC), 2)
            file.write(bytes(len(_MAGIC)))  # a journal of a single file: it is rolled back


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):
        return False
