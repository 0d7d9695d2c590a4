"""Files that a crash or a power cut leaves either as they were or as they were to be."""

from __future__ import annotations

import errno
import os
from datetime import UTC, datetime
from pathlib import Path

TIME = "%Y%m%d_%H%M%S"


def write_durably(path: Path, content: bytes) -> os.stat_result:
    """Replaces the file in one step, and returns when the disk has it."""
    found = stage(path, content)
    publish(path)
    return found


def stage(path: Path, content: bytes) -> os.stat_result:
    """The first half: the content is on the disk, under the name of `staged(path)`. Its size and times stay.

    After an error nothing is left: a full disk needs the room.
    """
    temporary = staged(path)
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            return os.fstat(file.fileno())
    except OSError:
        discard(path)
        raise


def publish(path: Path) -> None:
    """The second half: the file has its name. After an error it may have it or not."""
    staged(path).replace(path)
    sync_folder(path.parent)


def discard(path: Path) -> None:
    """Takes away what was staged, as far as the disk lets it."""
    try:
        staged(path).unlink(missing_ok=True)
    except OSError:
        return  # what made the staging fail is the error worth telling


def staged(path: Path) -> Path:
    """Always the same name, so that what a crash left is used again; none that ends in .json."""
    return path.with_name(f".{path.name}.new")


def sync_folder(folder: Path) -> None:
    """Makes the names in it durable, where the system can: Windows cannot, and some network disks say EINVAL."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(opened)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(opened)


def keep_aside(path: Path, why: str) -> Path:
    """Gives the file a second name, with the time, that no file has yet: data.json.damaged_20261122_020721.

    The first name stays wherever the file system can link, so that there is no moment without the file.
    """
    aside = _free_name(path, f"{why}_{datetime.now(UTC):{TIME}}")
    try:
        os.link(path, aside)
    except OSError:
        path.rename(aside)
    return aside


def move_aside(path: Path, why: str) -> Path:
    """As `keep_aside`; the first name is gone."""
    aside = keep_aside(path, why)
    path.unlink(missing_ok=True)
    return aside


def _free_name(path: Path, ending: str) -> Path:
    aside = path.with_name(f"{path.name}.{ending}")
    number = 0
    while os.path.lexists(aside):
        number += 1
        aside = path.with_name(f"{path.name}.{ending}_{number:06d}")
    return aside
