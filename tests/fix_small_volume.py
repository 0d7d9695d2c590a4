"""The small file system that every container has, for tests that fill it: one test at a time, in whatever process."""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

SMALL = Path("/dev/shm")


@contextmanager
def small_volume() -> Iterator[Path]:
    """A folder on it, emptied afterwards."""
    with Path("/tmp/small-volume.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = SMALL / uuid4().hex
        folder.mkdir()
        try:
            yield folder
        finally:
            shutil.rmtree(folder)
