"""What restores have done here, for the sidecar to tell people: the job writes it down, the sidecar reads it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from mirror import notes

FILE = "restores.json"
MOST = 50


@dataclass(frozen=True)
class Done:
    """`at`: ISO 8601 in UTC, no two the same; `what`: one sentence; `replaced`: the set that keeps what was there."""

    at: notes.Past
    what: notes.Words
    replaced: notes.SetName | None = None


_KIND = TypeAdapter(tuple[Done, ...])


def record(notes_dir: Path, done: Done) -> None:
    """Adds it, durable; the newest MOST are kept. Raises OSError."""
    notes.write(notes_dir / FILE, _KIND, (*read(notes_dir), done)[-MOST:])


def read(notes_dir: Path) -> tuple[Done, ...]:
    """Oldest first; () where there is nothing that can be read."""
    try:
        return notes.read(notes_dir / FILE, _KIND)
    except (OSError, ValueError):
        return ()
