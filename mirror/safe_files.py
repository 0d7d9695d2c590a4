"""The one way to open what lies in a folder that another may write.

A bot that was taken over lays links, FIFOs and endless files where a file of its own is looked for. So: no link is followed,
nothing is waited for, only regular files are read, and only up to a limit. Each folder on the way is opened from the one
above it (openat(2)), so that none can be put in its place meanwhile. What is refused is an OSError, as a file is that cannot
be read. A test keeps `open`, `Path.read_text` and the like on such paths out of all other modules.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

NOTE_BYTES = 1_000_000  # the most of a note, a lock or a secret
SIDE_FILES = ("-wal", "-shm", "-journal")

_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_FOLDER = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_KINDS = (
    (stat.S_ISLNK, "a link"),
    (stat.S_ISDIR, "a folder"),
    (stat.S_ISFIFO, "a FIFO"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class Refused(OSError):
    """It is there, and it is no file that may be read; `strerror` says what it is."""

    def __init__(self, why: str, path: Path) -> None:
        super().__init__(errno.ELOOP, why, str(path))


def descriptor(path: Path, below: Path | None = None) -> int:
    """A regular file, opened for reading; the caller closes it.

    `below`: the folder that is ours to trust, by default the file's own. Raises OSError, Refused among them.
    """
    root = path.parent if below is None else below
    *folders, name = _steps(path, root)
    folder = os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for step in folders:
            inner = _entered(step, folder, path)
            os.close(folder)
            folder = inner
        found = _opened(name, folder, path)
    finally:
        os.close(folder)
    why = not_a_file(os.fstat(found))
    if why:
        os.close(found)
        raise Refused(f"it is {why}", path)
    return found


@contextmanager
def opened(path: Path, below: Path | None = None) -> Iterator[int]:
    """The same for a block. Not while this process has a SQLite connection to the file: closing drops its locks."""
    found = descriptor(path, below)
    try:
        yield found
    finally:
        os.close(found)


def read_bytes(path: Path, most: int = NOTE_BYTES, below: Path | None = None) -> bytes:
    """All of a regular file. Raises OSError; Refused for more than `most` bytes."""
    with opened(path, below) as file:
        return read_descriptor(file, most, path)


def read_text(path: Path, most: int = NOTE_BYTES, below: Path | None = None) -> str:
    """The same as text. Raises OSError, and ValueError for what is not UTF-8."""
    return read_bytes(path, most, below).decode("utf-8")


def read_start(path: Path, size: int, below: Path | None = None) -> bytes:
    """The first `size` bytes. Raises OSError."""
    with opened(path, below) as file:
        return os.pread(file, size, 0)


def read_given(path: Path, most: int = NOTE_BYTES) -> str:
    """A file whose path a person gave, a secret say: links are followed. Raises OSError, ValueError."""
    return read_text(path.resolve(), most)


def read_descriptor(file: int, most: int, path: Path) -> bytes:
    """Everything from where it stands, in bounded memory: the file may grow while it is read. Raises OSError."""
    parts: list[bytes] = []
    left = most + 1
    while left > 0 and (part := os.read(file, min(left, 1 << 20))):
        parts.append(part)
        left -= len(part)
    if left <= 0:
        raise Refused(f"it has more than {most} bytes", path)
    return b"".join(parts)


def copy(path: Path, into: Path, most: int, below: Path | None = None) -> None:
    """Copies a regular file's bytes and nothing else; never more than `most`. Raises OSError, Refused for a longer one."""
    with opened(path, below) as file:
        copy_descriptor(file, into, most, path)


def copy_descriptor(file: int, into: Path, most: int, path: Path) -> None:
    """The same from where an open file stands; `path` is what it is called."""
    left = most + 1
    with into.open("wb") as copied:
        while left > 0 and (sent := os.sendfile(copied.fileno(), file, None, min(left, 1 << 26))):
            left -= sent
    if left <= 0:
        raise Refused(f"it has more than {most} bytes", path)


def inside(path: Path, root: Path) -> Path:
    """Where a file of the folder really is, links within it followed. Raises OSError; Refused where they lead out."""
    real, real_root = path.resolve(strict=True), root.resolve(strict=True)
    if not real.is_relative_to(real_root):
        raise Refused("it is a link that leads out of its folder", path)
    return real


def not_a_file(status: os.stat_result) -> str | None:
    """What it is instead of a regular file."""
    if stat.S_ISREG(status.st_mode):
        return None
    return next((words for test, words in _KINDS if test(status.st_mode)), "no regular file")


def kind(path: Path) -> str | None:
    """What stands there if that is neither a regular file nor nothing, without opening it. Raises OSError."""
    try:
        return not_a_file(os.lstat(path))
    except FileNotFoundError:
        return None


def is_file(path: Path) -> bool:
    """Whether a regular file is there, and no link to one."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def is_folder(path: Path) -> bool:
    """Whether a folder is there, and no link to one."""
    try:
        return stat.S_ISDIR(os.lstat(path).st_mode)
    except OSError:
        return False


def require_files(paths: Iterable[Path]) -> None:
    """Each is a regular file, or not there: SQLite opens by name, follows links and waits at a FIFO. Raises OSError."""
    for path in paths:
        if (why := kind(path)) is not None:
            raise Refused(f"{path.name} is {why}, and no file", path)


def with_side_files(database: Path) -> tuple[Path, ...]:
    """What SQLite opens, or makes, when it opens the database."""
    return (database, *(Path(f"{database}{suffix}") for suffix in SIDE_FILES))


def _steps(path: Path, root: Path) -> tuple[str, ...]:
    try:
        steps = path.relative_to(root).parts
    except ValueError:
        raise Refused(f"it is not below {root}", path) from None
    if not steps or ".." in steps:
        raise Refused("its path leads up", path)
    return steps


def _entered(step: str, folder: int, path: Path) -> int:
    try:
        return os.open(step, _FOLDER, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR) and os.path.lexists(f"/proc/self/fd/{folder}/{step}"):
            raise Refused(f"{step} on the way to it is no folder", path) from None
        raise OSError(error.errno, error.strerror, str(path)) from None


def _opened(name: str, folder: int, path: Path) -> int:
    try:
        return os.open(name, _FLAGS, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise Refused("it is a link", path) from None
        if error.errno == errno.ENXIO:
            raise Refused("it is a socket", path) from None
        # So that it is the class of its number: FileNotFoundError, and so on.
        raise OSError(error.errno, error.strerror, str(path)) from None
