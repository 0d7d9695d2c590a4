"""The source's folders as a place to restore into: staging, the list of moves, and what an earlier restore left undone."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.restored import FOLDER
from mirror.settings import Settings
from restore import swap
from restore.plan import refuse_if_live

log = logging.getLogger(__name__)


def journal_of(settings: Settings) -> Path:
    """Where the list of moves stands while files are swapped."""
    return journal_in(settings.sqlite_dir)


def journal_in(sqlite_dir: Path) -> Path:
    return sqlite_dir / FOLDER / "restoring.json"


def move(settings: Settings, staged: Path, destination: Path, name: str) -> swap.Move:
    """The move that brings a staged file to its destination and keeps what is there in the set `name`."""
    root = settings.sqlite_dir if destination.is_relative_to(settings.sqlite_dir) else settings.json_dir
    return swap.Move(str(staged), str(destination), str(root / swap.REPLACED / name / destination.relative_to(root)))


def finish_interrupted(journal: Path) -> None:
    """A restore that was cut off while it swapped files was asked for and verified; it ends before another one begins."""
    moves = swap.unfinished(journal)
    if moves:
        log.info("An earlier restore was cut off; putting the last %d of its files into place", len(moves))
        refuse_if_live([Path(move.destination) for move in moves])
    swap.finish(journal)


@contextmanager
def staging(settings: Settings) -> Iterator[None]:
    """Nothing that was staged stays when the block fails: it could fill the disk that the bot needs."""
    folders = (settings.sqlite_dir, settings.json_dir)
    for folder in folders:
        swap.clean_up(folder)
    try:
        yield
    except BaseException:
        for folder in folders:
            swap.clean_up(folder)
        raise
