"""What a restore tells the sidecar beside it: under which token it made this installation the holder."""

from __future__ import annotations

from pathlib import Path
from uuid import UUID

from pydantic import TypeAdapter

from mirror import notes

FILE = "taken.json"
MOST = 20

_KIND = TypeAdapter(tuple[UUID, ...])


def note(notes_dir: Path, token: UUID) -> None:
    """Adds it; the newest MOST are kept. Raises OSError."""
    notes.write(notes_dir / FILE, _KIND, (*read(notes_dir), token)[-MOST:])


def read(notes_dir: Path) -> tuple[UUID, ...]:
    """Oldest first; () where there is no note that can be read."""
    try:
        return notes.read(notes_dir / FILE, _KIND)
    except (OSError, ValueError):
        return ()
