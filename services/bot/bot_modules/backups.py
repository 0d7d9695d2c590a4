"""The backups of a document: their names, which order them, and their content.

    backups/backup_20261122_020721.json                    every save
    backups/backup_20261122_020721_000001.json             the next save in the same second
    backups/backup_compressed_20261122_020721.json.gz      every fifth save

The time is UTC and never goes back: when the clock does, the names count on from the newest one.
"""

from __future__ import annotations

import gzip
import os
import re
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from .durable import TIME

FOLDER = "backups"
TIMESTAMPED, COMPRESSED = "timestamped", "compressed"
KINDS = (TIMESTAMPED, COMPRESSED)
MOST_IN_A_SECOND = 999_999

_NAME = re.compile(r"backup_(compressed_)?(\d{8}_\d{6})(?:_(\d{6}))?\.json(\.gz)?")


@dataclass(frozen=True, order=True)
class Stamp:
    """When a backup was made: the second, and which save of that second."""

    second: str
    number: int = 0

    def __str__(self) -> str:
        return f"{self.second}_{self.number:06d}" if self.number else self.second


@dataclass(frozen=True)
class Backup:
    """One backup. `name` is what `restore` takes, `kind` timestamped or compressed."""

    folder: Path
    name: str
    kind: str
    stamp: Stamp
    size: int

    @property
    def path(self) -> Path:
        return self.folder / self.name

    @property
    def time(self) -> datetime:
        """When it was made; a time that no calendar has counts as very old."""
        try:
            return datetime.strptime(self.stamp.second, TIME).replace(tzinfo=UTC)
        except ValueError:
            return datetime.min.replace(tzinfo=UTC)


def list_backups(folder: Path) -> list[Backup]:
    """Newest first; of the same save the timestamped one before the compressed one. Empty without a folder."""
    found = []
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                match = _NAME.fullmatch(entry.name)
                if match and bool(match[1]) == bool(match[4]) and entry.is_file():
                    kind = COMPRESSED if match[1] else TIMESTAMPED
                    stamp = Stamp(match[2], int(match[3] or 0))
                    found.append(Backup(folder, entry.name, kind, stamp, entry.stat().st_size))
    except (FileNotFoundError, NotADirectoryError):
        return []
    return sorted(found, key=lambda backup: (backup.stamp, backup.kind == TIMESTAMPED), reverse=True)


def next_stamp(newest: Stamp | None, now: datetime) -> Stamp:
    """For a backup made now: later than the newest one, whatever the clock says."""
    second = f"{now.astimezone(UTC):{TIME}}"
    if newest is None or second > newest.second:
        return Stamp(second)
    if newest.number < MOST_IN_A_SECOND:
        return Stamp(newest.second, newest.number + 1)
    later = datetime.strptime(newest.second, TIME).replace(tzinfo=UTC) + timedelta(seconds=1)
    return Stamp(f"{later:{TIME}}")


def name_of(kind: str, stamp: Stamp) -> str:
    return f"backup_compressed_{stamp}.json.gz" if kind == COMPRESSED else f"backup_{stamp}.json"


def pack(kind: str, content: bytes) -> bytes:
    """The bytes of the backup's file."""
    return gzip.compress(content, 6, mtime=0) if kind == COMPRESSED else content


def unpack(kind: str, stored: bytes) -> bytes:
    """The document's bytes. Raises ValueError when they cannot be had whole."""
    if kind != COMPRESSED:
        return stored
    try:
        return gzip.decompress(stored)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"cannot be unpacked ({error})") from None
