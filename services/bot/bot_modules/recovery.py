"""Which of the files holds the newest document that was acknowledged. Reads only.

In this order: data.json, data.emergency.json, the newest timestamped backup, the newest compressed one. Two files
can be valid and one of them old, so the order alone would lose data:

- When a save of data.json failed, data.json is valid and old. The emergency copy says what it stands in for.
- A backup whose save has a higher number than the emergency copy is newer than it.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from .backups import Backup, list_backups, unpack
from .checksums import Known, sha256
from .codec import thaw
from .emergency import Emergency, read_emergency
from .encoding import Data
from .errors import DamagedFileError

MISSING = ""
"""Stands for the checksum of a file that is not there."""

Validate = Callable[[Data], Any]
"""The bot's own check of a document: returns False or raises ValueError when it is not one of the bot's."""


@dataclass
class Found:
    """`data` is None when no file holds a document that validates; `source` is the file that it comes from."""

    data: Data | None = None
    content: bytes = b""
    source: Path | None = None
    main_sha256: str = MISSING
    main_is_valid: bool = False
    highest_number: int = 0
    damaged: list[tuple[Path, str]] = field(default_factory=list)
    outlived: list[Path] = field(default_factory=list)
    """Emergency copies that data.json is newer than."""


def recover(path: Path, emergencies: list[Path], backups: Path, known: Known, validate: Validate | None) -> Found:
    """Raises OSError when a file is there but may not be read: what is in it could be the newest."""
    found = Found(highest_number=known.highest_number())
    _look_at_main(path, known, validate, found)
    copies = _copies(emergencies, found)
    newer = [(where, copy) for where, copy in copies if not found.main_is_valid or _stands_in(copy, found, known, path)]
    found.outlived = [where for where, _ in copies if where not in [each for each, _ in newer]]
    if found.main_is_valid and not newer:
        return found
    for where, read in _in_order(newer, backups, known, found):
        try:
            content = read()
            data = checked(content, validate)
        except ValueError as error:
            found.damaged.append((where, str(error)))
            continue
        found.data, found.content, found.source = data, content, where
        return found
    return found


def checked(content: bytes, validate: Validate | None) -> Data:
    """The document. Raises ValueError where there is none or the bot's own check refuses it."""
    data = thaw(content)
    if problem := refusal(data, validate):
        raise ValueError(problem)
    return data


def refusal(data: Data, validate: Validate | None) -> str | None:
    """Why `validate` refuses it; None when it does not. Its other errors are bugs in it, and pass through."""
    try:
        refused = validate is not None and validate(data) is False
    except ValueError as error:
        return f"is refused by validate: {error}"
    return "is refused by validate" if refused else None


def content_of(backup: Backup, known: Known) -> bytes:
    """The document's bytes. Raises ValueError when they are not what was saved, and OSError."""
    content = unpack(backup.kind, backup.path.read_bytes())
    copy = known.backups.get(backup.name)
    if copy and copy.sha256 != sha256(content):
        raise ValueError("does not match its checksum")
    return content


def size_and_time(path: Path) -> tuple[int, int] | None:
    """In bytes and in ns: what stays when a disk damages a file, and changes when a person or a program does."""
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _look_at_main(path: Path, known: Known, validate: Validate | None, found: Found) -> None:
    try:
        content = _read(path)
        if content is None:
            return
        found.main_sha256 = sha256(content)
        saves = known.of_main(*(size_and_time(path) or (0, 0)))
        if saves and found.main_sha256 not in [save.sha256 for save in saves]:
            raise ValueError("does not match its checksum")
        found.data = checked(content, validate)
    except ValueError as error:
        found.damaged.append((path, str(error)))
        return
    found.content, found.source, found.main_is_valid = content, path, True


def _read(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        if error.errno == errno.EIO:
            raise DamagedFileError("cannot be read from the disk") from error
        raise


def _copies(emergencies: list[Path], found: Found) -> list[tuple[Path, Emergency]]:
    """Those that are whole, newest first."""
    copies = []
    for where in emergencies:
        try:
            if copy := read_emergency(where):
                copies.append((where, copy))
                found.highest_number = max(found.highest_number, copy.number)
        except DamagedFileError as error:
            found.damaged.append((where, str(error)))
    return sorted(copies, key=lambda each: each[1].number, reverse=True)


def _stands_in(copy: Emergency, found: Found, known: Known, path: Path) -> bool:
    """Whether the copy is newer than the valid data.json."""
    size, changed = size_and_time(path) or (0, 0)
    saved_later = any(
        save.number > copy.number and save.sha256 == found.main_sha256 for save in known.of_main(size, changed)
    )
    same = found.main_sha256 == sha256(copy.content)
    return not saved_later and not same and (found.main_sha256 in copy.instead_of or copy.main == (size, changed))


def _in_order(
    copies: list[tuple[Path, Emergency]], folder: Path, known: Known, found: Found
) -> Iterator[tuple[Path, Callable[[], bytes]]]:
    """Where to look, best first, and how to get the document's bytes."""
    backups = [] if found.main_is_valid else list_backups(folder)  # a valid main file is only older than copies
    highest = copies[0][1].number if copies else 0
    first = [backup for backup in backups if copies and _number(backup, known) > highest]
    for backup in first:
        yield backup.path, partial(content_of, backup, known)
    for where, copy in copies:
        yield where, partial(bytes, copy.content)
    for backup in backups:
        if backup not in first:
            yield backup.path, partial(content_of, backup, known)


def _number(backup: Backup, known: Known) -> int:
    copy = known.backups.get(backup.name)
    return copy.number if copy else 0
