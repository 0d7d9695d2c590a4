"""Conditions in SQLite's SQL: does a value fit its column in Postgres, a key its index, and do two rows differ?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mirror.expressions import KEY_BYTES, all_of, any_of, canonical
from mirror.mapping import KEY_COLUMNS, MirrorColumn
from mirror.names import quote_sqlite
from mirror.schema import Table

_LARGEST = "1.7976931348623157e308"


def fits(name: str, type: str | None) -> str:
    """The typed column gives this value back identically, class and all; NULL always does. Never NULL itself."""
    if type == "text":
        return f"{name} IS NULL OR (typeof({name}) = 'text' AND sm_text_fits(CAST({name} AS BLOB)))"
    return class_fits(name, type)


def class_fits(name: str, type: str | None) -> str:
    """The same, for a text by its class only: its characters have to be looked at elsewhere."""
    kind = f"typeof({name})"
    finite = (
        f"{kind} = 'real' AND {name} BETWEEN -{_LARGEST} AND {_LARGEST} AND ({name} <> 0 OR sm_real({name}) = '0.0')"
    )
    if type == "bigint":
        return f"{kind} = 'integer' OR {name} IS NULL"
    if type == "double precision":
        return f"{name} IS NULL OR ({finite})"
    if type == "numeric":
        plain = f"sm_real({name}) GLOB '*.*' AND sm_real({name}) NOT GLOB '*e*'"
        return f"{kind} = 'integer' OR {name} IS NULL OR ({finite} AND {plain})"
    if type == "boolean":
        return f"{name} IS NULL OR ({kind} = 'integer' AND {name} IN (0, 1))"
    if type == "bytea":
        return f"{kind} = 'blob' OR {name} IS NULL"
    if type == "text":
        return f"{kind} = 'text' OR {name} IS NULL"
    return f"{name} IS NULL"


def key_fits(table: Table, mirror_columns: Sequence[MirrorColumn], alias: str = "n") -> str:
    """This row's declared key can be a key in Postgres."""
    types = {column.name: column.type for column in mirror_columns}
    names = [(f"{alias}.{quote_sqlite(c.name)}", types[c.name]) for c in table.key_columns]
    few = str(int(len(names) <= KEY_COLUMNS))
    sizes = [f"octet_length({name})" for name, type in names if type in ("text", "bytea")]
    each = [f"{name} IS NOT NULL AND ({fits(name, type)})" for name, type in names]
    return all_of([few, *each, f"{' + '.join(sizes) or 0} <= {KEY_BYTES}"])


def encoded_key(table: Table, alias: str) -> str:
    """An expression for the `_key` of a row, in hex: one key, one value, whatever its classes."""
    return f"sm_key({canonical([f'{alias}.{quote_sqlite(c.name)}' for c in table.key_columns])})"


def row_differs(
    table: Table,
    old: Table,
    alias: str = "n",
    old_alias: str = "o",
    renamed: Mapping[str, str] | None = None,
    defaults: Mapping[str, str] | None = None,
) -> str:
    """Two rows of the same table differ in a stored value or its class.

    A column that the old table did not have counts as NULL in its rows, or as the SQL expression that `defaults` has for it.
    `renamed`: the old name of each column that was there before; None: the same.
    """
    names = {column.name: column.name for column in old.stored_columns} if renamed is None else renamed
    conditions = []
    for column in table.stored_columns:
        name = f"{alias}.{quote_sqlite(column.name)}"
        if column.name in names:
            conditions.append(_differs(name, f"{old_alias}.{quote_sqlite(names[column.name])}"))
        elif defaults and column.name in defaults:
            conditions.append(_differs(name, defaults[column.name]))
        else:
            conditions.append(f"{name} IS NOT NULL")
    return any_of(conditions)


def same_key(table: Table, alias: str, other: str) -> str:
    """Two rows have the identical declared key. The plain = lets SQLite use the key's index."""
    same = []
    for column in table.key_columns:
        a, b = f"{alias}.{quote_sqlite(column.name)}", f"{other}.{quote_sqlite(column.name)}"
        same.append(f"{a} = {b} COLLATE {quote_sqlite(column.key_collation)} AND NOT ({_differs(a, b)})")
    return all_of(same)


def _differs(a: str, b: str) -> str:
    # IS compares with the column's collation, takes 1 for 1.0, and -0.0 for 0.0: none of them is the same value.
    zero = f"typeof({a}) = 'real' AND {a} = 0 AND sm_real({a}) <> sm_real({b})"
    return f"{a} COLLATE BINARY IS NOT {b} OR typeof({a}) <> typeof({b}) OR ({zero})"
