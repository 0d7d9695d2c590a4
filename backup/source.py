"""What the source has: its databases and documents, found by looking, never by a list in the code."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pathspec import GitIgnoreSpec

from backup.config import BackupSettings
from mirror import safe_files
from mirror.catalog_values import OUR_FOLDERS
from mirror.errors import SourceError, SourceMissing, SourceUnreadable, SourceUnsupported
from mirror.safe_files import SIDE_FILES

MAGIC = b"SQLite format 3\0"  # https://www.sqlite.org/fileformat2.html#the_database_header
DATABASE_SUFFIXES = frozenset({".db", ".db3", ".sqlite", ".sqlite3", ".s3db", ".sl3"})


@dataclass(frozen=True)
class SourceFiles:
    """Paths below the two folders, sorted; as the catalog names them.

    `refused`: files that look like the bot's data and cannot be mirrored where or as they are, by a name that can be shown.
    `left_out`: what EXCLUDE names.
    """

    databases: tuple[str, ...]
    documents: tuple[str, ...]
    refused: tuple[tuple[str, SourceError], ...] = ()
    left_out: tuple[str, ...] = ()


def find(settings: BackupSettings) -> SourceFiles:
    """The files of the source without what EXCLUDE names; a file of the JSON folder is a document if JSON_GLOB matches it.

    Raises SourceMissing or SourceUnreadable for a folder that cannot be looked into.
    """
    sqlite_dir, json_dir, json_glob = settings.sqlite_dir, settings.json_dir, settings.json_glob
    databases: list[str] = []
    documents: list[str] = []
    refused: list[tuple[str, SourceError]] = []
    left_out: list[str] = []

    def excluded(name: str) -> bool:
        if not settings.exclude.match_file(name):
            return False
        if not name.endswith(SIDE_FILES):
            left_out.append(os.fsencode(name).decode(errors="backslashreplace"))
        return True

    def sort(name: str, why: Why | None, into: list[str]) -> None:
        if why is None and _utf8(name):
            into.append(name)
        else:
            shown = os.fsencode(name).decode(errors="backslashreplace")
            refused.append((shown, (why or _not_utf8)(shown)))

    for name, path in _files(sqlite_dir, "SQLITE_DIR", settings.exclude, refused):
        if excluded(name):
            continue
        if path.is_symlink() and path.is_dir():
            sort(name, _link, databases)
        elif is_database(path, sqlite_dir):
            # Of a link, too: SQLite keeps the log beside the file that it leads to, where a look at it sees no commit.
            sort(name, _no_file(path), databases)
        elif json_glob.match_file(name):
            sort(name, _document_among_databases, databases)
    for name, path in _files(json_dir, "JSON_DIR", settings.exclude, refused):
        if excluded(name):
            continue
        if path.is_symlink() and path.is_dir():
            sort(name, _link, documents)
        elif json_glob.match_file(name):
            sort(name, None if path.is_symlink() and _inside(path, json_dir) else _no_file(path), documents)
        elif _named_as_database(path):  # by name only: each look comes by here, past every copy that the bot keeps
            sort(name, _database_among_documents, documents)
    return SourceFiles(tuple(databases), tuple(documents), tuple(refused), tuple(left_out))


Why = Callable[[str], SourceUnsupported]


def _utf8(name: str) -> bool:
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _not_utf8(shown: str) -> SourceUnsupported:
    return SourceUnsupported(
        f"the name of {shown} is not UTF-8, so Postgres cannot hold it",
        "give the file another name; all others go on",
    )


def _link(name: str) -> SourceUnsupported:
    return SourceUnsupported(
        f"{name} is a link that is not followed, so it is not mirrored",
        "put there what it leads to (a link of the host leads nowhere inside a container); all others go on",
    )


def _database_among_documents(name: str) -> SourceUnsupported:
    return SourceUnsupported(
        f"{name} is a database among the JSON files, so it is not mirrored",
        "stop the bot and move it into volumes/sqlite; all others go on",
    )


def _document_among_databases(name: str) -> SourceUnsupported:
    return SourceUnsupported(
        f"{name} is a JSON file among the databases, so it is not mirrored",
        "stop the bot and move it into volumes/json; all others go on",
    )


def _special(name: str) -> SourceUnsupported:
    return SourceUnsupported(
        f"{name} is no regular file, so it is not mirrored",
        "a FIFO, a socket or a device keeps no data: remove it, or give it another name; all others go on",
    )


def _no_file(path: Path) -> Why | None:
    """Why that is nothing to read; None for a regular file. No folder above it is a link: those are not followed."""
    if path.is_symlink():
        return _link
    return _special if safe_files.kind(path) else None


def _inside(path: Path, folder: Path) -> bool:
    """Whether a link leads to a file below the folder."""
    try:
        return safe_files.is_file(safe_files.inside(path, folder))
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        return False


def is_database(path: Path, root: Path) -> bool:
    """By name or by its first bytes. Only called while this process has no SQLite connection to the file."""
    if path.name.endswith(SIDE_FILES):
        return False
    if _named_as_database(path):
        return True
    try:
        return safe_files.read_start(safe_files.inside(path, root), len(MAGIC)) == MAGIC
    except (OSError, RuntimeError):
        return False  # without a database's name and unreadable: not known to be ours


def _named_as_database(path: Path) -> bool:
    return path.suffix.lower() in DATABASE_SUFFIXES


def _files(
    folder: Path, variable: str, exclude: GitIgnoreSpec, refused: list[tuple[str, SourceError]]
) -> Iterator[tuple[str, Path]]:
    """Every file below the folder. A folder in it that cannot be looked into is refused, and the others go on."""
    if not folder.is_dir():
        raise SourceMissing(
            f"the folder {folder} is not there",
            f"set {variable} to the folder that the bot writes to, and mount it",
        )

    def unreadable(error: OSError) -> None:
        told = SourceUnreadable(
            f"cannot look into {error.filename}: {error.strerror}",
            "run the sidecar as the bot's user (BOT_UID and BOT_GID in .env)",
        )
        if Path(error.filename) == folder:
            raise told
        name = Path(error.filename).relative_to(folder).as_posix()
        if error.errno != errno.ENOENT and not exclude.match_file(f"{name}/any"):  # gone meanwhile, or not wanted
            refused.append((name, told))

    for parent, folders, names in os.walk(folder, onerror=unreadable):
        folders[:] = sorted(name for name in folders if name not in OUR_FOLDERS and not name.startswith("."))
        if not os.access(parent, os.X_OK) and Path(parent) != folder:
            unreadable(PermissionError(errno.EACCES, os.strerror(errno.EACCES), parent))
            folders.clear()
            continue
        links = [name for name in folders if Path(parent, name).is_symlink()]
        for name in sorted([*names, *links]):
            path = Path(parent, name)
            if not name.startswith(".") and os.path.lexists(path):  # a file of a moment is gone by now
                yield path.relative_to(folder).as_posix(), path
