"""What was mirrored and is not there any more: held until a person says that it is meant, or said to be meant beforehand.

Beforehand: by a pattern (TRANSIENT), for all (GUARD_GONE=follow), or for one name (`accept --always NAME`), which is kept in
the state folder: where that is lost, the files are held again.
"""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from backup import guard
from backup.config import BackupSettings
from backup.source import SourceFiles
from backup.state import read_as, write_atomically
from mirror.catalog import CatalogDatabase, CatalogDocument, State
from mirror.errors import SidemirrorError

ALWAYS = "always.json"
_ALWAYS = TypeAdapter(dict[str, tuple[str, ...]])

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Gone:
    """What is to leave the mirror, and what is held."""

    databases: tuple[CatalogDatabase, ...]
    documents: tuple[CatalogDocument, ...]
    refused: tuple[tuple[str, SidemirrorError], ...]


def always(state_dir: Path) -> frozenset[str]:
    """The files that a person has said may go whenever they do."""
    found = read_as(_ALWAYS, state_dir / ALWAYS)
    return frozenset(found.get("files", ()) if found else ())


def let_go_always(state_dir: Path, files: frozenset[str]) -> None:
    """From now on these may go. Raises StateError."""
    write_atomically(state_dir / ALWAYS, json.dumps({"files": sorted(always(state_dir) | files)}))


def may_go(settings: BackupSettings, file: str) -> bool:
    """Whether a person has said beforehand that this file may go."""
    return settings.guard_gone == "follow" or settings.transient.match_file(file) or file in always(settings.state_dir)


def sort(settings: BackupSettings, state: State, files: SourceFiles, accepted: frozenset[str]) -> Gone:
    """Of what is mirrored and not found: what may leave the mirror, and what is held. What is refused was told already."""
    refused: dict[str, SidemirrorError] = {}
    told = {file for file, _ in files.refused}
    # Where nothing is left at all, a folder is not mounted, or was emptied: no setting for single files means that.
    empty = not (files.databases or files.documents)
    named = always(settings.state_dir)

    def goes(file: str, lost: str) -> bool:
        if file in accepted:
            return True
        if file in files.left_out:
            refused[file] = guard.left_out(file, lost)
            return False
        if _is_in(file, told):
            return False
        if settings.transient.match_file(file) or file in named or (settings.guard_gone == "follow" and not empty):
            log.info("%s is gone, as it may: it leaves the mirror, and older restore points keep it", file)
            return True
        refused[file] = guard.missing(file, lost)
        return False

    databases = tuple(
        known
        for known in state.databases
        if known.file not in files.databases and (known.pragmas.page_size == 0 or goes(known.file, _lost(known)))
    )
    documents = tuple(
        known for known in state.documents if known.file not in files.documents and goes(known.file, "the document")
    )
    return Gone(databases, documents, tuple(refused.items()))


def _lost(known: CatalogDatabase) -> str:
    return f"{len(known.tables)} tables with {sum(table.content.rows for table in known.tables)} rows"


def _is_in(file: str, refused: set[str]) -> bool:
    """Whether the file was refused, or a folder that it is in."""
    return file in refused or any(parent.as_posix() in refused for parent in Path(file).parents)
