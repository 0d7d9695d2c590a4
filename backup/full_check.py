"""The full run's own doubt: is the content that is carried forward by differences what a fresh count of everything gives?"""

from __future__ import annotations

from backup.changes import TableChange, TableChanged
from backup.pair import Pair
from mirror.content import TableContent
from mirror.errors import ShadowDiffers


def check_carried_content(pair: Pair, tables: tuple[TableChange, ...], unchanged: dict[str, TableContent]) -> None:
    """Raises ShadowDiffers when a table's carried content is not the content of its rows."""
    carried = {**unchanged, **{c.table.name: c.content for c in tables if isinstance(c, TableChanged)}}
    for table in pair.schema.tables:
        if table.name in carried and carried[table.name] != pair.content(table):
            raise ShadowDiffers(
                f"table {table.name}: its content as carried from run to run differs from its rows",
                "delete the folder shadow in the state folder, so that it is made anew from the target, and report this",
            )
