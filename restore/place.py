"""The source's folders as a place to restore into: staging, the list of moves, and what an earlier restore left undone."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror import safe_files
from mirror.errors import RestoreError
from mirror.plain_text import shown
from mirror.restored import FOLDER
from restore import swap
from restore.config import Place
from restore.live import refuse_if_live
from restore.told import write_down

SCRATCH_PREFIX = "looking-"  # of the folders that a dry run makes beside the staging folder

log = logging.getLogger(__name__)


def journal_of(place: Place) -> Path:
    """Where the list of moves stands while files are swapped."""
    return place.notes_dir / "restoring.json"


def move(place: Place, staged: Path, destination: Path, name: str) -> swap.Move:
    """The move that brings a staged file to its destination and keeps what is there in the set `name`."""
    root = place.sqlite_dir if destination.is_relative_to(place.sqlite_dir) else place.json_dir
    return swap.Move(str(staged), str(destination), str(root / swap.REPLACED / name / destination.relative_to(root)))


def finish_interrupted(place: Place) -> None:
    """A restore that was cut off while it swapped files was asked for and verified; it ends before another one begins.

    Raises RestoreError where the folders, or the list, are not what a restore has left; then nothing is touched.
    """
    require_own_folders(place)
    journal = journal_of(place)
    moves = swap.unfinished(journal)
    if stray := outside(place, moves):
        raise RestoreError(
            f"{journal} names {shown(stray.destination)}, which is no file of an interrupted restore",
            "a restore did not write that: find out who did, and delete the file",
        )
    if moves:
        log.info("An earlier restore was cut off; putting the last %d of its files into place", len(moves))
        refuse_if_live(place, [Path(move.destination) for move in moves])
    swap.finish(journal)
    if moves:
        files = ", ".join(Path(move.destination).name for move in moves)
        write_down(place, f"Finished a restore that had been cut off: {files} put into place", _kept(place, moves))


def require_own_folders(place: Place) -> None:
    """What restores keep in the bot's folders is in folders of their own, on the same file system. Raises RestoreError."""
    for root in (place.sqlite_dir, place.json_dir):
        for path in (root / FOLDER, swap.staging_folder(root), root / swap.REPLACED):
            if not os.path.lexists(path):
                continue
            if not safe_files.is_folder(path):
                raise RestoreError(
                    f"{path} is {safe_files.kind(path) or 'a file'}, and no folder of a restore",
                    "no restore has put that there: find out who did, and remove it",
                )
            if path.stat().st_dev != root.stat().st_dev:
                raise RestoreError(
                    f"{path} is on another file system than {root}, so nothing can be renamed from one to the other",
                    "let it be a plain folder there: unmount it, or remove it",
                )


def outside(place: Place, moves: tuple[swap.Move, ...]) -> swap.Move | None:
    """The first move that leads elsewhere than from a folder of the bot's to itself, whatever links are on the way.

    A bot that was taken over could have this job, which can read the password of the target, copy it to where the bot can
    read it.
    """
    roots = (place.sqlite_dir, place.json_dir)
    for each in moves:
        inside = any(
            _below(each.staged, swap.staging_folder(root))
            and _below(each.destination, root)
            and _below(each.replaced, root / swap.REPLACED)
            for root in roots
        )
        if not inside:
            return each
    return None


def _kept(place: Place, moves: tuple[swap.Move, ...]) -> str | None:
    """The set that has what stood there before, if anything did."""
    folders = (place.sqlite_dir / swap.REPLACED, place.json_dir / swap.REPLACED)
    below = [(Path(move.replaced), folder) for move in moves for folder in folders]
    names = {path.relative_to(folder).parts[0] for path, folder in below if path.is_relative_to(folder)}
    there = [name for name in sorted(names) for folder in folders if safe_files.is_folder(folder / name)]
    return f"{swap.REPLACED}/{there[0]}" if there else None


def _below(path: str, folder: Path) -> bool:
    """Whether it is really there, whatever links are on the way."""
    parent, name = os.path.split(path)
    return name not in ("", ".", "..") and Path(os.path.realpath(parent)).is_relative_to(os.path.realpath(folder))


@contextmanager
def staging(place: Place) -> Iterator[None]:
    """Nothing that was staged stays when the block fails: it could fill the disk that the bot needs."""
    folders = (place.sqlite_dir, place.json_dir)
    for folder in folders:
        swap.clean_up(folder)
        swap.staging_folder(folder).mkdir(parents=True, mode=0o700)  # whatever the modes of the files will be
    try:
        yield
    except BaseException:
        for folder in folders:
            swap.clean_up(folder)
        raise
