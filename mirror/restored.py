"""What the restore job tells the sidecar: which file it took back to which restore point, on purpose.

It holds for as long as the mirror of the file is what it was at the time of the restore.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from mirror import notes

FOLDER = ".sidemirror"  # in each of the bot's folders: where files are staged
NOTE = "restored.json"


@dataclass(frozen=True)
class Restored:
    """`run` is the restore point; `token` tells the mirror's state at that time: of a database that of the run which had
    changed it last, of a document its SHA-256.

    `source`: another one that the restore point is of; None for the source itself. `tables`: only these were taken back;
    None for all.
    """

    run: int
    token: notes.Name
    source: notes.Name | None = None
    tables: tuple[str, ...] | None = None


_KIND = TypeAdapter(dict[str, Restored])


def note(
    notes_dir: Path,
    run: int,
    tokens: Mapping[str, str],
    tables: Mapping[str, tuple[str, ...]],
    source: str | None = None,
) -> None:
    """Notes the files, with their tokens, beside those of earlier restores; of those in `tables` only these tables. Raises
    OSError."""
    known = read(notes_dir) | {file: Restored(run, token, source, tables.get(file)) for file, token in tokens.items()}
    notes.write(notes_dir / NOTE, _KIND, known)


def read(notes_dir: Path) -> dict[str, Restored]:
    """By file; {} where there is no note that can be read."""
    try:
        return notes.read(notes_dir / NOTE, _KIND)
    except (OSError, ValueError):
        return {}
