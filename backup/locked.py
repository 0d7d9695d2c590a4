"""Whether a database is locked against readers just now, asked of the kernel: SQLite would only find out by waiting."""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

from mirror import safe_files
from mirror.errors import SourceBusy

# Readers lock these bytes (https://www.sqlite.org/src/file/src/os.h, SHARED_FIRST and SHARED_SIZE); who writes to the file,
# or holds it in locking_mode=EXCLUSIVE, locks them against all.
_FIRST, _SIZE = 0x40000002, 510
_FLOCK = "hhqqi4x"


def locked(path: Path) -> bool:
    """Only called while this process has no SQLite connection to the file: closing a descriptor would drop its locks."""
    probe = struct.pack(_FLOCK, fcntl.F_RDLCK, os.SEEK_SET, _FIRST, _SIZE, 0)
    try:
        with safe_files.opened(path) as descriptor:
            kind, *_ = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, probe))
    except OSError:
        return False  # what is wrong with it, the copy finds out
    return bool(kind != fcntl.F_UNLCK)


def require_unlocked(path: Path) -> None:
    """Raises SourceBusy."""
    if locked(path):
        raise SourceBusy(
            f"{path.name} is locked: another program holds it exclusively",
            "it is tried again by itself; a bot that uses locking_mode=EXCLUSIVE cannot be mirrored while it runs",
        )
