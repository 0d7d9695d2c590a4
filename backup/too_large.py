"""A value that the target could take today and not remember tomorrow: one row has to fit into one message to Postgres."""

from __future__ import annotations

from pathlib import Path

from backup.changes import TableChange, TableChanged, TableDropped
from backup.pair import Pair
from mirror.errors import SourceUnsupported
from mirror.values import LARGEST_BYTES, is_big_row


def refuse_what_is_too_large(path: Path, pair: Pair, tables: tuple[TableChange, ...]) -> None:
    """Raises SourceUnsupported for a value that the target could take today and not remember tomorrow."""
    if path.stat().st_size <= LARGEST_BYTES:
        return
    for change in tables:
        if isinstance(change, TableDropped):
            continue
        number = change.number if isinstance(change, TableChanged) else None
        if pair.has_row(change.table, is_big_row(change.mirror, size=LARGEST_BYTES), number):
            raise SourceUnsupported(
                f"table {change.table.name} has a value of more than {LARGEST_BYTES // 1_000_000} MB",
                "keep files of that size beside the database, and their names in it; all other databases go on",
            )
