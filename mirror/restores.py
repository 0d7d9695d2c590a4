"""What restores have done here, for the sidecar to tell people: the job writes it down, the sidecar reads it.

A file in the folder that is Sidemirror's own beside the databases: the sidecar sees it, and cannot write it.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from mirror.restored import FOLDER

FILE = "restores.json"
MOST = 50


@dataclass(frozen=True)
class Done:
    """`at`: ISO 8601 in UTC, no two the same; `what`: one sentence; `replaced`: the set that keeps what was there."""

    at: str
    what: str
    replaced: str | None = None


def record(sqlite_dir: Path, done: Done) -> None:
    """Adds it, durable; the newest MOST are kept. Raises OSError."""
    path = sqlite_dir / FOLDER / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    with unfinished.open("w", encoding="utf-8") as file:
        json.dump([asdict(each) for each in (*read(sqlite_dir), done)[-MOST:]], file, indent=1)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


def read(sqlite_dir: Path) -> tuple[Done, ...]:
    """Oldest first; () where there is nothing that can be read."""
    try:
        found = [Done(**each) for each in json.loads((sqlite_dir / FOLDER / FILE).read_text(encoding="utf-8"))]
        return tuple(done for done in found if datetime.fromisoformat(done.at).tzinfo and isinstance(done.what, str))
    except (OSError, ValueError, TypeError):
        return ()
