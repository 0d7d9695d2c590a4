"""The full run's own doubts: is the content that is carried forward by differences what a fresh count of everything gives,
and are the tables in which nothing differs really the same to the byte?
"""

from __future__ import annotations

from pathlib import Path

from backup import byte_for_byte
from backup.changes import TableChange, TableChanged
from backup.pair import Pair
from mirror.content import TableContent
from mirror.errors import ShadowDiffers

# Where the two files differ at all, each row passes through Python: a drill has the time for that at any size.
_MOST_BYTES = 64_000_000


def check_carried_content(pair: Pair, tables: tuple[TableChange, ...], unchanged: dict[str, TableContent]) -> None:
    """Raises ShadowDiffers when a table's carried content is not the content of its rows."""
    carried = {**unchanged, **{c.table.name: c.content for c in tables if isinstance(c, TableChanged)}}
    for table in pair.schema.tables:
        if table.name in carried and carried[table.name] != pair.content(table):
            raise ShadowDiffers(
                f"table {table.name}: its content as carried from run to run differs from its rows",
                "delete the folder shadow in the state folder, so that it is made anew from the target, and report this",
            )


def check_bytes(copy: Path, shadow: Path, unchanged: dict[str, TableContent]) -> None:
    """Raises ShadowDiffers when a table that is taken for unchanged is not: by code that shares nothing with what did so."""
    if copy.stat().st_size > _MOST_BYTES:
        return
    differing = byte_for_byte.differences(copy, shadow, unchanged)
    if differing:
        raise ShadowDiffers(
            f"{'; '.join(differing)}: it was taken for unchanged, and differs to the byte",
            "delete the folder shadow in the state folder, so that it is made anew from the target, and report this",
        )
