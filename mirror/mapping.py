"""Which Postgres table mirrors a SQLite table: names, column types, and the key.

The type follows from the declared type's affinity (datatype3.html#determination_of_column_affinity), and a value that the
column cannot give back identically stands in `_exact`. Names and the choice of key are recorded in the catalog when the
mirror table is made, and stay as they are for its life.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

from mirror.names import EXACT, KEY, ROWID, TAKEN_COLUMN_NAMES, postgres_name
from mirror.schema import Column, Table

KeyKind = Literal["columns", "rowid", "encoded"]

# A Postgres row must fit one 8 kB page after its long values have moved out, and each moved value leaves 18 bytes
# (https://www.postgresql.org/docs/17/storage-toast.html). Columns beyond these stand in `_exact`.
TYPED_COLUMNS = 300

# INDEX_MAX_KEYS: https://www.postgresql.org/docs/17/limits.html
KEY_COLUMNS = 32


@dataclass(frozen=True)
class MirrorColumn:
    """`type` is None for a column that stands in `_exact` only, because the table has too many columns."""

    name: str
    mirror_name: str
    type: str | None
    generated: bool


@dataclass(frozen=True)
class MirrorTable:
    name: str
    mirror_name: str
    key_kind: KeyKind
    key: tuple[str, ...]  # mirror names of the key's columns
    columns: tuple[MirrorColumn, ...]
    rowid: bool  # whether it has the column _rowid_

    @property
    def fields(self) -> tuple[tuple[str, str], ...]:
        """Name and type of every Postgres column, in the order in which rows are sent."""
        typed = [(column.mirror_name, column.type) for column in self.columns if column.type is not None]
        if self.rowid:
            typed.append((ROWID, "bigint"))
        if self.key_kind == "encoded":
            typed.append((KEY, "bytea"))
        typed.append((EXACT, "jsonb"))
        return tuple(typed)

    def to_json(self) -> list[dict[str, Any]]:
        """The columns as the catalog keeps them."""
        return [
            {"name": c.name, "mirror": c.mirror_name, "type": c.type, "generated": c.generated} for c in self.columns
        ]


def columns_from_json(columns: list[dict[str, Any]]) -> tuple[MirrorColumn, ...]:
    """The inverse of MirrorTable.to_json."""
    return tuple(MirrorColumn(c["name"], c["mirror"], c["type"], c["generated"]) for c in columns)


def column_type(declared: str) -> str:
    """The Postgres type of a column that SQLite knows by this declared type."""
    name = declared.upper()
    if "INT" in name:
        return "bigint"
    if any(part in name for part in ("CHAR", "CLOB", "TEXT")) or not name:
        return "text"
    if "BLOB" in name:
        return "bytea"
    if any(part in name for part in ("REAL", "FLOA", "DOUB")):
        return "double precision"
    if "BOOL" in name:
        return "boolean"
    if any(part in name for part in ("NUM", "DEC", "MONEY")):
        return "numeric"
    return "text"


def mirror_table(table: Table, mirror_name: str, key_fits: bool) -> MirrorTable:
    """The mirror of a table that has none yet. `key_fits`: its declared key can be the key (keys.py says so)."""
    columns = _named(table)
    by_name = {column.name: column.mirror_name for column in columns}
    kind: KeyKind = "columns"
    key: tuple[str, ...]
    if table.integer_key is not None:
        key = (by_name[table.integer_key],)
    elif table.key_columns and key_fits:
        key = tuple(by_name[column.name] for column in table.key_columns)
    elif table.without_rowid:
        kind, key = "encoded", (KEY,)
    else:
        kind, key = "rowid", (ROWID,)
    return MirrorTable(table.name, mirror_name, kind, key, columns, table.rowid_visible)


def continued(mirror: MirrorTable, table: Table) -> MirrorTable | None:
    """The same mirror with columns that were added at the end, or None where the table has another shape now."""
    fresh = mirror_table(table, mirror.mirror_name, mirror.key_kind == "columns")
    if (fresh.key_kind, fresh.rowid, len(fresh.key)) != (mirror.key_kind, mirror.rowid, len(mirror.key)):
        return None
    if len(fresh.columns) < len(mirror.columns):
        return None
    kept = fresh.columns[: len(mirror.columns)]
    if any(column.generated for column in fresh.columns[len(mirror.columns) :]):
        return None  # every row has a value in it, though no row changed
    if [_shape(column) for column in kept] != [_shape(column) for column in mirror.columns]:
        return None
    renamed = {new.mirror_name: old.mirror_name for new, old in zip(kept, mirror.columns, strict=True)}
    if tuple(renamed.get(name, name) for name in fresh.key) != mirror.key:
        return None
    return replace(mirror, columns=mirror.columns + fresh.columns[len(mirror.columns) :])


def _shape(column: MirrorColumn) -> tuple[str, str | None, bool]:
    return column.name, column.type, column.generated


def _named(table: Table) -> tuple[MirrorColumn, ...]:
    typed = {column.name for column in table.key_columns}
    for column in table.columns:
        if len(typed) < TYPED_COLUMNS:
            typed.add(column.name)
    taken = set(TAKEN_COLUMN_NAMES)
    named = []
    for column in table.columns:
        mirror_name = postgres_name(column.name, taken)
        taken.add(mirror_name)
        named.append(_mirror_column(column, mirror_name, column.name in typed))
    return tuple(named)


def _mirror_column(column: Column, mirror_name: str, typed: bool) -> MirrorColumn:
    return MirrorColumn(column.name, mirror_name, column_type(column.declared) if typed else None, column.generated)
