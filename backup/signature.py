"""Level 1: has a database been written to since the last run? Answered without opening it with SQLite.

A commit shows in the size, the times and the change counter of the file, or in the WAL, or in the WAL index: that one
counts every commit (https://www.sqlite.org/walformat.html#the_wal_index_header), so no commit can hide in the coarseness
of a clock.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from backup.state import read_as
from mirror import safe_files

# Where in each file the bytes are that a commit changes. Behind these 96 of the WAL index are the marks that readers leave.
_PARTS = (("", 0, 100), ("-wal", 0, 32), ("-shm", 0, 96), ("-journal", 0, 28))

SIGNATURES = "signatures.json"
_REMEMBERED = TypeAdapter(dict[str, tuple[str, str, dict[str, Any]]])


def read_signatures(state_dir: Path) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Of each database as it was last mirrored: its signature, the token of its shadow, and the note that `base` wants."""
    return read_as(_REMEMBERED, state_dir / SIGNATURES) or {}


def signature(path: Path) -> str:
    """One line of text that is equal as long as nothing was committed.

    Only called while this process has no SQLite connection to the file: closing a descriptor would drop its locks
    (https://www.sqlite.org/howtocorrupt.html#_posix_advisory_locks_canceled_by_a_separate_thread_doing_close_).
    """
    return ";".join(_part(Path(f"{path}{suffix}"), start, size) for suffix, start, size in _PARTS)


def only_begun(before: str, now: str) -> bool:
    """Whether the two differ in nothing that a commit leaves: there is more in the WAL, or a journal, but the WAL index and
    the file are as they were. So a writer is at work, and is not done."""
    file, wal, index, _ = before.split(";")
    file_now, wal_now, index_now, _ = now.split(";")
    return (file, index) == (file_now, index_now) and (wal == wal_now or index != "-")


def replaced(before: str, now: str) -> bool:
    """Whether the file is another one than at the time of `before`, or its change counter is a lower one.

    The counter stands at offset 24 (https://www.sqlite.org/fileformat2.html#file_change_counter) and only ever grows, in WAL
    mode more slowly.
    """
    try:
        (inode, counter), (inode_now, counter_now) = (_identity(signature) for signature in (before, now))
    except (ValueError, IndexError):
        return False
    return inode != inode_now or counter_now < counter


def _identity(signature: str) -> tuple[str, int]:
    main = signature.split(";")[0].split(",")
    return main[0], int(main[-1][48:56], 16)


def _part(path: Path, start: int, size: int) -> str:
    try:
        descriptor = safe_files.descriptor(path)
    except FileNotFoundError:
        return "-"
    except OSError as error:
        return f"errno {error.errno}"
    try:
        stat = os.fstat(descriptor)
        header = os.pread(descriptor, size, start).hex()
    finally:
        os.close(descriptor)
    if path.name.endswith("-shm"):
        return f"{stat.st_ino},{header}"  # readers change its times
    if path.name.endswith("-wal"):
        return (
            f"{stat.st_ino},{stat.st_size},{stat.st_mtime_ns},{header}"  # as root, SQLite sets its owner at each open
        )
    return f"{stat.st_ino},{stat.st_size},{stat.st_mtime_ns},{stat.st_ctime_ns},{header}"
