"""Is somebody using this database file right now? Asked of the kernel, so it works across containers on one machine.

A live connection in WAL mode holds a shared lock on byte 128 of the -shm file for as long as it is open, idle or not; a
transaction in any mode holds one on the database file's own lock bytes (https://www.sqlite.org/fileformat2.html#the_lock_byte_page,
walformat.html#wal_locks). F_GETLK shows them without taking a lock.
"""

from __future__ import annotations

import fcntl
import os
import struct
from pathlib import Path

_PENDING_BYTE = 0x40000000
_LOCK_BYTES = 512  # pending, reserved, and 510 shared bytes
_DEAD_MAN_SWITCH = 128
_FLOCK = "hhqqi4x"  # struct flock on 64-bit Linux


def in_use(database: Path) -> bool:
    """Whether another process has a lock on the database or its WAL index.

    An idle connection in a rollback-journal mode holds none, and cannot be seen. Never called in a process that has a
    SQLite connection to the file.
    """
    return _locked(database, _PENDING_BYTE, _LOCK_BYTES) or _locked(Path(f"{database}-shm"), _DEAD_MAN_SWITCH, 1)


def _locked(path: Path, start: int, length: int) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        probe = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
        found = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, probe))
    finally:
        os.close(descriptor)
    return bool(found[0] != fcntl.F_UNLCK)
