"""How a mirror goes on under another name, or with other columns: renamed, added, set aside; no row is sent for that.

What becomes of which column is a guess, and may be one: the rows are compared as the guess says, and what then differs is
sent like any other change. So a wrong guess costs time, and nothing else. Where one cannot be made safely there is none, and
the table is made anew beside the old one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from mirror.catalog import CatalogTable
from mirror.mapping import MirrorColumn, MirrorTable, mirror_table
from mirror.names import TAKEN_COLUMN_NAMES, distinct_name
from mirror.schema import Table


@dataclass(frozen=True)
class Reshape:
    """From `known.mirror` to `mirror`. `renamed`: new names of the mirror's columns by the old; `defaults`: what every row
    has in an added column, as Postgres reads it; `gone`: columns to set aside, each with the name that it gets."""

    mirror: MirrorTable
    renamed: Mapping[str, str]
    defaults: Mapping[str, str | None]
    gone: Mapping[str, str]
    columns: Mapping[str, str]  # SQLite's names: the old by the new, of the columns that are in both
    added: tuple[str, ...]  # SQLite's names

    def aliases(self, known: CatalogTable) -> dict[str, str]:
        """What the catalog remembers of names afterwards."""
        moved = {**self.renamed, **self.gone}
        found = {was: moved.get(now, now) for was, now in known.aliases.items()} | moved
        return {was: now for was, now in found.items() if was != now}

    def set_aside(self, known: CatalogTable) -> dict[str, str]:
        """The columns that are set aside now, each with its type."""
        types = dict(known.mirror.fields)
        return {name: types[was] for was, name in self.gone.items()}


def reshaped(known: CatalogTable, table: Table, old: Table, mirror_name: str) -> Reshape | None:
    """The plan that leads from the old table to this one; None where there is no safe one."""
    if table.without_rowid or old.without_rowid or table.strict != old.strict:
        return None
    if any(column.generated for column in (*table.columns, *old.columns)):
        return None
    columns = _paired(table, old)
    before = known.mirror
    fresh = mirror_table(table, mirror_name, before.key_kind == "columns")
    was, now = ({c.name: c for c in mirror.columns} for mirror in (before, fresh))
    if any(column.type is None for column in (*was.values(), *now.values())) or set(was) != {
        c.name for c in old.columns
    }:
        return None
    renamed: dict[str, str] = {}
    for new_name, old_name in columns.items():
        a, b = was[old_name], now[new_name]
        if a.type != b.type:
            return None
        if a.mirror_name != b.mirror_name:
            renamed[a.mirror_name] = b.mirror_name
    added = tuple(column for name, column in now.items() if name not in columns)
    gone = {c.mirror_name: _aside(known, c) for name, c in was.items() if name not in columns.values()}
    if not _names_are_free(known, renamed, added, gone):
        return None
    key = tuple(renamed.get(name, name) for name in before.key)
    if (fresh.key_kind, fresh.rowid, fresh.key) != (before.key_kind, before.rowid, key) or set(gone) & set(before.key):
        return None
    if table.integer_key is None and key != before.key:
        return None  # rows are matched by the names of a declared key
    mirror = replace(fresh, name=table.name)
    defaults: dict[str, str | None] = {column.mirror_name: None for column in added}
    return Reshape(mirror, renamed, defaults, gone, columns, tuple(column.name for column in added))


def _paired(table: Table, old: Table) -> dict[str, str]:
    """The old column for each of the new ones that goes on: the one of its name, or the one in its place."""
    names, old_names = ({column.name for column in t.columns} for t in (table, old))
    pairs = {column.name: column.name for column in table.columns if column.name in old_names}
    for column, was in zip(table.columns, old.columns, strict=False):
        if column.name not in old_names and was.name not in names and replace(column, name="") == replace(was, name=""):
            pairs[column.name] = was.name
    return pairs


def _aside(known: CatalogTable, column: MirrorColumn) -> str:
    return distinct_name(f"_dropped_{column.mirror_name}", f"{len(known.used_names)}\0{column.mirror_name}")


def _names_are_free(
    known: CatalogTable, renamed: Mapping[str, str], added: tuple[MirrorColumn, ...], gone: Mapping[str, str]
) -> bool:
    """Whether no name would come to mean a second column. A column may take a name back that it had itself."""
    taken = known.used_names | TAKEN_COLUMN_NAMES | set(known.set_aside)
    new = [*(column.mirror_name for column in added), *gone.values()]
    own = [name for was, name in renamed.items() if known.aliases.get(name) != was]
    return not taken & {*new, *own} and len({*new, *renamed.values()}) == len(new) + len(renamed)
