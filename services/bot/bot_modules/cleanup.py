"""Which backups go: all but the newest few of each kind, and never the last one that validates."""

from __future__ import annotations

from collections.abc import Callable

from .backups import KINDS, Backup


def to_delete(backups: list[Backup], keep: int, validates: Callable[[Backup], bool]) -> list[Backup]:
    """Of `backups`, newest first. `validates` is asked of as few as possible: mostly of the newest."""
    return [backup for kind in KINDS for backup in _of_kind([b for b in backups if b.kind == kind], keep, validates)]


def _of_kind(backups: list[Backup], keep: int, validates: Callable[[Backup], bool]) -> list[Backup]:
    kept, doomed = backups[:keep], backups[keep:]
    if doomed and not any(validates(backup) for backup in kept):
        spared = next((backup for backup in doomed if validates(backup)), None)
        return [backup for backup in doomed if backup is not spared]
    return doomed
