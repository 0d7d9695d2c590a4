"""A file can say that it is a terabyte long and take no room at all, and so can a log or the index of a log say it of its
database: copied, it would fill the disk of the state folder."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mirror.errors import SourceUnsupported
from mirror.safe_files import with_side_files

# SQLite writes every page but one. A file system that compresses makes a database ten times smaller, not a hundred times.
_LARGE_BYTES = 1_000_000_000
_MOST_OF_HOLES = 100


def require_content(source: Path) -> None:
    """Raises SourceUnsupported where the database, or what SQLite keeps beside it, is large and nearly all of it holes."""
    database = _status(source)
    if database is None or not database.st_blocks:  # some file systems do not tell what a file takes
        return
    for path in with_side_files(source):
        status = _status(path)
        if status is None or status.st_size <= _LARGE_BYTES:
            continue
        there = status.st_blocks * 512  # stat(2): whatever the blocks of the file system are
        if there * _MOST_OF_HOLES < status.st_size:
            raise SourceUnsupported(
                f"{source.name} is not mirrored: {path.name} is {status.st_size / 1e9:.0f} GB long, but only "
                f"{there / 1e6:.1f} MB of it are there, the rest are holes",
                "SQLite makes no such file: find out who did, and remove it; all others go on",
            )


def require_pages(source: Path, pages: int, page_size: int) -> None:
    """Raises SourceUnsupported where SQLite would read a large database of so many pages, and hardly any of them is there.

    In WAL mode it believes the number in the log's index: a page that is in no file is one of zeros.
    """
    said = pages * page_size
    if said <= _LARGE_BYTES:
        return
    there = sum(status.st_blocks * 512 for path in (source, Path(f"{source}-wal")) if (status := _status(path)))
    if there and there * _MOST_OF_HOLES < said:
        raise SourceUnsupported(
            f"{source.name} is not mirrored: its log says that it is {said / 1e9:.0f} GB long, but only "
            f"{there / 1e6:.1f} MB of it are there",
            "SQLite writes no such log: find out who did, and stop the bot and remove it; all others go on",
        )


def _status(path: Path) -> os.stat_result | None:
    with suppress(OSError):
        return path.lstat()
    return None
