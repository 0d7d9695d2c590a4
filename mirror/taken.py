"""What a restore tells the sidecar beside it: under which token it made this installation the holder.

A note beside the databases, in the folder that is Sidemirror's own: the sidecar sees it, and cannot write it.
"""

from __future__ import annotations

import json
from pathlib import Path
from uuid import UUID

from mirror.restored import FOLDER
from mirror.safe_files import read_text

FILE = "taken.json"
MOST = 20


def note(sqlite_dir: Path, token: UUID) -> None:
    """Adds it; the newest MOST are kept. Raises OSError."""
    path = sqlite_dir / FOLDER / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps([*map(str, read(sqlite_dir)), str(token)][-MOST:]), encoding="utf-8")
    unfinished.replace(path)


def read(sqlite_dir: Path) -> tuple[UUID, ...]:
    """Oldest first; () where there is no note that can be read."""
    try:
        return tuple(UUID(token) for token in json.loads(read_text(sqlite_dir / FOLDER / FILE, below=sqlite_dir)))
    except (OSError, ValueError, TypeError, AttributeError):
        return ()
