"""What the start of a new server could not bring back: noted before the others are put into place, so that no bot starts
without it unless a person says so."""

from __future__ import annotations

import os
from pathlib import Path

from pydantic import TypeAdapter

from mirror import notes
from restore.config import Place

NOTE = "partly.json"
_KIND = TypeAdapter(tuple[notes.Name, ...])


def note(place: Place, destinations: tuple[Path, ...]) -> None:
    """Raises OSError."""
    notes.write(place.notes_dir / NOTE, _KIND, tuple(str(path) for path in destinations))


def still(place: Place) -> tuple[Path, ...]:
    """Those that are not there to this day. A note that cannot be read names none: the files that are there are whole."""
    try:
        noted = notes.read(place.notes_dir / NOTE, _KIND)
    except (OSError, ValueError):
        return ()
    return tuple(Path(name) for name in noted if not os.path.lexists(name))
