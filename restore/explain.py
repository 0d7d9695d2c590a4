"""What the file system and SQLite say while files are staged, in our own words."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from mirror.errors import RestoreError


@contextmanager
def explained() -> Iterator[None]:
    """Turns an OSError or a sqlite3.Error of the block into a RestoreError."""
    try:
        yield
    except sqlite3.Error as error:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            raise _no_room() from error
        raise RestoreError(
            f"SQLite cannot make the database: {error}", "nothing in place was touched; is the disk full, or damaged?"
        ) from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise _no_room() from error
        if error.errno == errno.EROFS:
            raise RestoreError(
                f"{error.filename} cannot be written: its file system is read-only",
                "mount it to be written to; if the kernel made it read-only after errors (see dmesg), look at the disk "
                "first, and restore to another one with --into",
            ) from error
        raise RestoreError(
            f"{error.filename or 'a file'}: {error.strerror or error}",
            "run the restore as the bot's user (BOT_UID and BOT_GID), on folders that it can write to",
        ) from error


def _no_room() -> RestoreError:
    return RestoreError(
        "there is no room on the disk for the restored files",
        "the old files are still in place; make room (old and new files are both there for a while), and restore again",
    )
