"""One holder at a time, by a lock on a file that the kernel takes back when its process ends, however it ends."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.errors import RunInProgress
from mirror.safe_files import Refused, not_a_file


@contextmanager
def only_one(path: Path, busy: str, hint: str) -> Iterator[None]:
    """Held for the length of the block. Raises RunInProgress(busy, hint) at once where it is held, OSError.

    The file and its folder are made where they are not there, and stay: to delete the file would let two in.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(path, flags, 0o644)
    try:
        if why := not_a_file(os.fstat(descriptor)):
            raise Refused(f"it is {why}", path)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RunInProgress(busy, hint) from None
        yield
    finally:
        os.close(descriptor)
