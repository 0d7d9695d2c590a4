"""What the restore job tells the sidecar: which file it took back to which restore point, on purpose.

A note beside the databases, in the folder that is Sidemirror's own: the sidecar sees it, and cannot write it. It holds
for as long as the mirror of the file is what it was at the time of the restore.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

FOLDER = ".sidemirror"
NOTE = "restored.json"


@dataclass(frozen=True)
class Restored:
    """`run` is the restore point; `token` tells the mirror's state at that time: of a database that of the run which had
    changed it last, of a document its SHA-256.

    `source`: another one that the restore point is of; None for the source itself. `tables`: only these were taken back;
    None for all.
    """

    run: int
    token: str
    source: str | None = None
    tables: tuple[str, ...] | None = None


def note(
    sqlite_dir: Path,
    run: int,
    tokens: Mapping[str, str],
    tables: Mapping[str, tuple[str, ...]],
    source: str | None = None,
) -> None:
    """Notes the files, with their tokens, beside those of earlier restores; of those in `tables` only these tables. Raises
    OSError."""
    known = read(sqlite_dir) | {file: Restored(run, token, source, tables.get(file)) for file, token in tokens.items()}
    path = sqlite_dir / FOLDER / NOTE
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".new")
    unfinished.write_text(json.dumps({file: asdict(each) for file, each in known.items()}), encoding="utf-8")
    unfinished.replace(path)


def read(sqlite_dir: Path) -> dict[str, Restored]:
    """By file; {} where there is no note that can be read."""
    try:
        content = json.loads((sqlite_dir / FOLDER / NOTE).read_text(encoding="utf-8"))
        return {
            file: Restored(int(each["run"]), str(each["token"]), each.get("source"), _tables(each.get("tables")))
            for file, each in content.items()
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _tables(noted: list[str] | None) -> tuple[str, ...] | None:
    return None if noted is None else tuple(noted)
