"""What the restore job leaves for the sidecar, and for the restore after it, in the folder of the notes.

Only the restore job can write there, the sidecar can read it, and the bot has no way to it. All the same a note is read as
what a stranger wrote: a regular file, a megabyte at most, every value of the kind that it has to be, no time beyond now.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import AfterValidator, StringConstraints, TypeAdapter

from mirror import safe_files

Noted = TypeVar("Noted")

# Two containers of one machine have one clock; it may be set between two notes.
AHEAD = timedelta(hours=1)


def _made(text: str) -> str:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or at > datetime.now(UTC) + AHEAD:
        raise ValueError("it is no time that has been")
    return text


Words = Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
Name = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Past = Annotated[str, StringConstraints(max_length=64), AfterValidator(_made)]
SetName = Annotated[str, StringConstraints(pattern=r"^replaced/[0-9]{8}T[0-9]{6}Z$", max_length=32)]


def read(path: Path, kind: TypeAdapter[Noted], most: int = safe_files.NOTE_BYTES) -> Noted:
    """Raises OSError (FileNotFoundError: there is none), ValueError for what is no note of that kind."""
    return kind.validate_json(safe_files.read_bytes(path, most))


def write(path: Path, kind: TypeAdapter[Noted], noted: Noted) -> None:
    """Replaces it, durable, or leaves it as it was. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.new")
    unfinished.unlink(missing_ok=True)
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    with os.fdopen(descriptor, "wb") as file:
        file.write(kind.dump_json(noted, indent=1))
        file.flush()
        os.fsync(file.fileno())
    unfinished.rename(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
