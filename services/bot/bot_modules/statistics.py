"""How a document and its backups stand: for `data_manager.statistics()`, and in words for the notices."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from .backups import TIMESTAMPED, list_backups


@dataclass(frozen=True)
class Statistics:
    """`saves` counts over restarts, `failures` and `recoveries` since the start; sizes in bytes, times in UTC."""

    saves: int
    failures: int
    recoveries: int
    size: int
    last_save: datetime | None
    timestamped: int
    compressed: int
    newest_backup: datetime | None
    emergency: Path | None


def look(
    path: Path, folder: Path, emergencies: list[Path], *, saves: int, failures: int, recoveries: int
) -> Statistics:
    """Raises OSError when the disk does not answer."""
    backups = list_backups(folder)
    timestamped = sum(backup.kind == TIMESTAMPED for backup in backups)
    try:
        status = path.stat()
    except FileNotFoundError:
        status = None
    return Statistics(
        saves=saves,
        failures=failures,
        recoveries=recoveries,
        size=status.st_size if status else 0,
        last_save=datetime.fromtimestamp(status.st_mtime, UTC) if status else None,
        timestamped=timestamped,
        compressed=len(backups) - timestamped,
        newest_backup=backups[0].time if backups else None,
        emergency=next((each for each in emergencies if os.path.exists(each)), None),  # noqa: PTH110 # never raises
    )


def in_words(name: str, now: Statistics) -> str:
    """One line: size, number of backups, age of the last."""
    age = "none"
    if now.newest_backup:
        age = f"the newest {max(0.0, (datetime.now(UTC) - now.newest_backup).total_seconds()):.0f} s old"
    return (
        f"{name}: {now.saves} saves, {_size(now.size)}, {now.timestamped} + {now.compressed} compressed backups, {age}."
    )


def _size(count: int) -> str:
    for unit, factor in (("MB", 1e6), ("kB", 1e3)):
        if count >= factor:
            return f"{count / factor:.1f} {unit}"
    return f"{count} bytes"
