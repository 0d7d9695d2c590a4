"""A disk of 2 MB, to be filled: script/test.sh gives it to the container that the tests run in."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

DISK = Path("/small")


@pytest.fixture
def small_disk() -> Iterator[Path]:
    """An empty folder that the whole disk is there for: tests that run at the same time take turns."""
    if not DISK.is_mount():
        pytest.fail(f"there is no {DISK}: docker run --tmpfs {DISK}:size=2m,uid=10001", pytrace=False)
    place = os.open(DISK, os.O_RDONLY)
    fcntl.flock(place, fcntl.LOCK_EX)
    folder = Path(tempfile.mkdtemp(dir=DISK))
    try:
        yield folder
    finally:
        shutil.rmtree(folder)
        os.close(place)
