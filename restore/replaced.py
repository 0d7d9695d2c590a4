"""What restores have put aside: listed, put back, and thrown away when it is old."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from urllib.parse import quote

from mirror import safe_files
from mirror.errors import NothingToUndo, RestoreError
from mirror.plain_text import shown
from mirror.safe_files import SIDE_FILES
from mirror.settings import Settings
from restore import swap
from restore.config import AtStart
from restore.room import megabytes

NAME = "%Y%m%dT%H%M%SZ"
_AHEAD = timedelta(days=1)  # a clock may have been wrong for an hour


@dataclass(frozen=True)
class ReplacedSet:
    """The files that one restore took away: pairs of where each is kept and where it stood."""

    name: str
    files: tuple[tuple[Path, Path], ...]

    @property
    def at(self) -> datetime | None:
        """When the restore was; None for a folder that is none of ours."""
        try:
            return datetime.strptime(self.name, NAME).replace(tzinfo=UTC)
        except ValueError:
            return None

    def bytes_below(self, *roots: Path) -> dict[Path, int]:
        """What its files take, side files included, by root."""
        return {root: sum(_sizes(kept) for kept, _ in self.files if kept.is_relative_to(root)) for root in roots}


def new_name(settings: Settings, now: datetime) -> str:
    """The name of a restore's set: its time in UTC, or the first second after it that no other set is named for."""
    taken = {found.name for found in replaced_sets(settings)}
    seconds = (now.astimezone(UTC) + timedelta(seconds=number) for number in count())
    return next(name for second in seconds if (name := second.strftime(NAME)) not in taken)


def replaced_sets(settings: Settings | AtStart) -> tuple[ReplacedSet, ...]:
    """All sets, newest first; side files go with their database and are not listed."""
    roots = (settings.sqlite_dir, settings.json_dir)
    kept = [root / swap.REPLACED for root in roots]
    names = {entry.name for folder in kept if safe_files.is_folder(folder) for entry in os.scandir(folder)}
    return tuple(
        ReplacedSet(name, _files(name, roots)) for name in sorted(names, reverse=True) if not _refusal(name, roots)
    )


def chosen(settings: Settings, name: str) -> ReplacedSet:
    """The set of that name, or for no name that of the last restore (or undo). Raises NothingToUndo, and
    RestoreError for one that no restore has made."""
    if name and "/" not in name and (why := _refusal(name, (settings.sqlite_dir, settings.json_dir))):
        raise RestoreError(
            f"{shown(why)}, so it is not put back", "no restore has made that: find out who did, and remove it"
        )
    sets = [found for found in replaced_sets(settings) if found.files]
    if not sets:
        raise NothingToUndo("no restore has replaced anything that is still kept", "there is nothing to undo")
    found = [one for one in sets if name in ("", one.name)]
    if not found:
        raise NothingToUndo(
            f"there is no set {shown(name)}", "see those that are kept with: ./sidemirror restore --replaced"
        )
    return found[0]


def as_lines(sets: tuple[ReplacedSet, ...], keep: timedelta) -> list[str]:
    """A heading, and for each set its name, when it was put aside, its size, until when it is kept, and its files."""
    if not sets:
        return ["Nothing that a restore has replaced is kept."]
    lines = [f"{'set':<17}  {'put aside':<24}  {'kept until':<24}  {'size':>9}  files"]
    for one in sets:
        times = [f"{at.astimezone():%Y-%m-%d %H:%M:%S %Z}" if at else "-" for at in (one.at, one.at and one.at + keep)]
        size = megabytes(sum(_sizes(kept) for kept, _ in one.files))
        files = ", ".join(shown(destination.name) for _, destination in one.files)
        lines.append(f"{shown(one.name):<17}  {times[0]:<24}  {times[1]:<24}  {size:>9}  {files}")
    return [*lines, "To put one back: ./sidemirror restore --undo [SET]; without a name the newest"]


def to_json(one: ReplacedSet, keep: timedelta) -> dict[str, object]:
    return {
        "set": one.name,
        "at": one.at and one.at.isoformat(),
        "kept_until": one.at and (one.at + keep).isoformat(),
        "bytes": sum(_sizes(kept) for kept, _ in one.files),
        "files": [str(destination) for _, destination in one.files],
    }


def stage(found: ReplacedSet, settings: Settings) -> tuple[tuple[Path, Path], ...]:
    """Copies of a set's files, ready to be swapped in: pairs of where each is staged and where it stood.

    A database's side files are taken into its copy. Raises RestoreError when SQLite cannot do that.
    """
    staged = []
    for kept, destination in found.files:
        root = settings.sqlite_dir if kept.is_relative_to(settings.sqlite_dir) else settings.json_dir
        copy = swap.staging_folder(root) / destination.relative_to(root)
        copy.parent.mkdir(parents=True, exist_ok=True)
        swap.copy(kept, copy, root)
        for suffix in ("-wal", "-journal"):
            side = Path(f"{kept}{suffix}")
            if os.path.lexists(side):
                swap.copy(side, Path(f"{copy}{suffix}"), root)
                _take_in(copy, kept)
        swap.sync(copy)
        staged.append((copy, destination))
    return tuple(staged)


def prune(settings: Settings | AtStart, keep: timedelta, now: datetime) -> int:
    """Throws sets away that are older than `keep`; gives how many."""
    old = [found.name for found in replaced_sets(settings) if found.at and now - found.at > keep]
    for name in old:
        for root in (settings.sqlite_dir, settings.json_dir):
            shutil.rmtree(root / swap.REPLACED / name, ignore_errors=True)
    return len(old)


def _files(name: str, roots: tuple[Path, ...]) -> tuple[tuple[Path, Path], ...]:
    return tuple(
        (kept, root / kept.relative_to(root / swap.REPLACED / name))
        for root in roots
        for kept in sorted((root / swap.REPLACED / name).rglob("*"))
        if safe_files.is_file(kept) and not kept.name.endswith((*SIDE_FILES, ".copying"))
    )


def _refusal(name: str, roots: tuple[Path, ...]) -> str | None:
    """Why that is no set of a restore's, although it is there: a link, or of a time to come."""
    for root in roots:
        path = root / swap.REPLACED / name
        if os.path.lexists(path) and not safe_files.is_folder(path):
            return f"{path} is {safe_files.kind(path) or 'a file'}"
    at = ReplacedSet(name, ()).at
    if at is not None and at > datetime.now(UTC) + _AHEAD:
        return f"{swap.REPLACED}/{name} is named for a time to come"
    return None


def _take_in(copy: Path, kept: Path) -> None:
    try:
        with closing(sqlite3.connect(f"file:{quote(str(copy))}?mode=rw", uri=True)) as connection:
            connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    except sqlite3.Error as error:
        raise RestoreError(
            f"{kept} is damaged, so it cannot be put back as it was: {error}",
            "nothing was changed; it was damaged before the restore: look at the file itself",
        ) from error


def _sizes(kept: Path) -> int:
    """The file's, and those of the side files that belong to it."""
    paths = [kept, *(Path(f"{kept}{suffix}") for suffix in SIDE_FILES)]
    return sum(path.lstat().st_size for path in paths if safe_files.is_file(path))
