"""What the source has: its databases and documents, found by looking, never by a list in the code."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from mirror.errors import SourceMissing, SourceUnreadable

MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat2.html#the_database_header
DATABASE_SUFFIXES = frozenset({".db", ".db3", ".sqlite", ".sqlite3", ".s3db", ".sl3"})
SIDE_FILES = ("-wal", "-shm", "-journal")

# Folders that restore keeps beside the live files; what is in them is not the bot's data.
OUR_FOLDERS = frozenset({"replaced", ".sidemirror"})


@dataclass(frozen=True)
class SourceFiles:
    """Paths below the two folders, sorted; as the catalog names them.

    `unnameable`: those whose names are not UTF-8, in a form that can be shown.
    """

    databases: tuple[str, ...]
    documents: tuple[str, ...]
    unnameable: tuple[str, ...] = ()


def find(sqlite_dir: Path, json_dir: Path, json_glob: GitIgnoreSpec) -> SourceFiles:
    """The files of the source; a file of the JSON folder is a document if `json_glob` matches it.

    Raises SourceMissing or SourceUnreadable for a folder that cannot be looked into.
    """
    databases = [name for name, path in _files(sqlite_dir, "SQLITE_DIR") if is_database(path)]
    documents = [name for name, path in _files(json_dir, "JSON_DIR") if json_glob.match_file(name)]
    return SourceFiles(
        tuple(name for name in databases if _utf8(name)),
        tuple(name for name in documents if _utf8(name)),
        tuple(os.fsencode(name).decode(errors="backslashreplace") for name in databases + documents if not _utf8(name)),
    )


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def is_database(path: Path) -> bool:
    """By name or by its first bytes. Only called while this process has no SQLite connection to the file."""
    if path.name.endswith(SIDE_FILES):
        return False
    if path.suffix.lower() in DATABASE_SUFFIXES:
        return True
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False  # without a database's name and unreadable: not known to be ours


def _files(folder: Path, variable: str) -> Iterator[tuple[str, Path]]:
    if not folder.is_dir():
        raise SourceMissing(
            f"the folder {folder} is not there",
            f"set {variable} to the folder that the bot writes to, and mount it",
        )

    def unreadable(error: OSError) -> None:
        raise SourceUnreadable(
            f"cannot look into {error.filename}: {error.strerror}",
            "run the sidecar as the bot's user (BOT_UID and BOT_GID in .env)",
        )

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if name not in OUR_FOLDERS and not name.startswith("."))
        for name in sorted(names):
            path = Path(parent, name)
            if not name.startswith(".") and path.is_file():
                yield path.relative_to(folder).as_posix(), path
