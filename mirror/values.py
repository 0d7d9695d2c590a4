"""A row on its way to Postgres and back: SQLite's values as COPY text, and COPY text as SQLite's values.

To Postgres the encoding is done by SQLite itself, in SQL that is built here, because that is several times faster than
Python per value; only REALs pass through Python's `repr`, the shortest text that reads back as the same double (SQLite's
own text of a REAL has 15 digits). A value stands in its typed column when that column gives back the identical value and
class; otherwise the column is NULL and `_exact` holds it:

    {"amount": {"text": "toto"}, "photo": {"integer": 5}, "note": {"bytes": "ff00"}}

`bytes` is TEXT that Postgres cannot hold as text (a NUL, invalid UTF-8): the bytes of the value in the database's encoding.
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections.abc import Callable, Sequence
from hashlib import sha256
from typing import Any

from mirror.mapping import KEY_BYTES, KEY_COLUMNS, MirrorColumn, MirrorTable
from mirror.names import quote_sqlite
from mirror.schema import Table

NULL = r"\N"

Value = int | float | str | bytes | None


def register(connection: sqlite3.Connection, encoding: str) -> None:
    """Gives the connection the functions that the encoding's SQL calls. `encoding` is the database's own."""
    codec = {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}[encoding]

    def text_fits(data: bytes) -> bool:
        try:
            return "\0" not in data.decode(codec)
        except UnicodeDecodeError:
            return False

    connection.create_function("sm_real", 1, repr, deterministic=True)
    connection.create_function("sm_text_fits", 1, text_fits, deterministic=True)
    connection.create_function("sm_key", 1, _key_hex, deterministic=True)


def copy_line(table: Table, mirror: MirrorTable, careful: bool, alias: str = "n") -> str:
    """A SQL expression that gives one row as a line of COPY text, without its line end.

    `careful` checks every text for what Postgres cannot hold. Without it the caller has to check the line itself: it is
    right if it is valid UTF-8 without NUL, and must be asked for again, carefully, if not.
    """
    columns = [(f"{alias}.{quote_sqlite(column.name)}", column) for column in mirror.columns]
    fields = [_field(name, column.type, careful) for name, column in columns if column.type is not None]
    if mirror.rowid:
        fields.append(f"{alias}.{table.rowid_alias}")
    if mirror.key_kind == "encoded":
        fields.append(f"'\\\\x' || {encoded_key(table, alias)}")
    misfits = [
        f"iif({fits(name, column.type, careful)}, NULL, {_literal(_json_name(column))} || {_exact(name)})"
        for name, column in columns
    ]
    all_fit = " AND ".join(_balanced([f"({fits(name, column.type, careful)})" for name, column in columns], " AND "))
    exact = f"replace('{{' || {_joined_present(misfits)} || '}}', '\\', '\\\\')"
    fields.append(f"iif({all_fit}, '{NULL}', {exact})")
    return _joined(fields, "\t")


def fits(name: str, type: str | None, careful: bool) -> str:
    """A SQL condition: the typed column gives the value back identically (NULL always does)."""
    kind = f"typeof({name})"
    real = f"{kind} = 'real'"
    if type == "bigint":
        return f"{kind} = 'integer' OR {name} IS NULL"
    if type == "double precision":
        return f"{name} IS NULL OR ({real} AND sm_real({name}) NOT IN ('inf', '-inf', '-0.0'))"
    if type == "numeric":
        plain = f"sm_real({name}) GLOB '*.*' AND sm_real({name}) NOT GLOB '*[en]*' AND sm_real({name}) <> '-0.0'"
        return f"{kind} = 'integer' OR {name} IS NULL OR ({real} AND {plain})"
    if type == "boolean":
        return f"{name} IS NULL OR ({kind} = 'integer' AND {name} IN (0, 1))"
    if type == "bytea":
        return f"{kind} = 'blob' OR {name} IS NULL"
    if type == "text":
        check = f" AND sm_text_fits(CAST({name} AS BLOB))" if careful else ""
        return f"{name} IS NULL OR ({kind} = 'text'{check})"
    return f"{name} IS NULL"


def key_fits(table: Table, mirror_columns: Sequence[MirrorColumn], alias: str = "n") -> str:
    """A SQL condition: this row's declared key can be a key in Postgres."""
    types = {column.name: column.type for column in mirror_columns}
    names = [(f"{alias}.{quote_sqlite(c.name)}", types[c.name]) for c in table.key_columns]
    conditions = [f"{name} IS NOT NULL AND ({fits(name, type, True)})" for name, type in names]
    size = " + ".join(f"octet_length({name})" for name, _ in names)
    few = str(int(len(names) <= KEY_COLUMNS))
    return " AND ".join([few, *conditions, f"{size} <= {KEY_BYTES}"])


def encoded_key(table: Table, alias: str) -> str:
    """A SQL expression for the `_key` of a row, in hex: one key, one value, whatever its classes."""
    return f"sm_key({canonical(tuple(f'{alias}.{quote_sqlite(c.name)}' for c in table.key_columns))})"


def key_line(table: Table, mirror: MirrorTable, alias: str = "n") -> str:
    """A SQL expression that gives a row's mirror key as a line of COPY text."""
    if mirror.key_kind == "rowid":
        return f"{alias}.{table.rowid_alias}"
    if mirror.key_kind == "encoded":
        return f"'\\\\x' || {encoded_key(table, alias)}"
    columns = {column.mirror_name: column for column in mirror.columns}
    keys = [columns[name] for name in mirror.key]
    return _joined([_field(f"{alias}.{quote_sqlite(k.name)}", str(k.type), True) for k in keys], "\t")


def row_differs(table: Table, old: Table, alias: str = "n", old_alias: str = "o") -> str:
    """A SQL condition: two rows of the same table differ in a stored value or its class.

    A column that the old table did not have counts as NULL in its rows.
    """
    had = {column.name for column in old.stored_columns}
    conditions = []
    for column in table.stored_columns:
        name = f"{alias}.{quote_sqlite(column.name)}"
        was = f"{old_alias}.{quote_sqlite(column.name)}"
        conditions.append(f"({_differs(name, was)})" if column.name in had else f"{name} IS NOT NULL")
    return " OR ".join(_balanced(conditions, " OR "))


def same_key(table: Table, alias: str, other: str) -> str:
    """A SQL condition: two rows have the identical declared key. The plain = lets SQLite use the key's index."""
    pairs = [(f"{alias}.{quote_sqlite(c.name)}", f"{other}.{quote_sqlite(c.name)}") for c in table.key_columns]
    return " AND ".join(f"{a} = {b} AND NOT ({_differs(a, b)})" for a, b in pairs)


def _differs(a: str, b: str) -> str:
    # IS compares with the column's collation, takes 1 for 1.0, and -0.0 for 0.0: none of them is the same value.
    zero = f"typeof({a}) = 'real' AND {a} = 0 AND sm_real({a}) <> sm_real({b})"
    return f"{a} COLLATE BINARY IS NOT {b} OR typeof({a}) <> typeof({b}) OR ({zero})"


def canonical(names: Sequence[str]) -> str:
    """A SQL expression that gives values as ASCII text, different for any difference in value or class.

    It shares nothing with the encoding for Postgres on purpose: the content hash is made of it.
    """
    return _joined(
        [
            f"CASE typeof({name}) WHEN 'integer' THEN 'i' || {name} WHEN 'text' THEN 't' || hex(CAST({name} AS BLOB)) "
            f"WHEN 'null' THEN 'n' WHEN 'real' THEN 'r' || sm_real({name}) ELSE 'b' || hex({name}) END"
            for name in names
        ],
        ",",
    )


def _field(name: str, type: str, careful: bool) -> str:
    value = {
        "bigint": name,
        "double precision": f"sm_real({name})",
        "numeric": f"iif(typeof({name}) = 'integer', {name}, sm_real({name}))",
        "boolean": f"iif({name}, 't', 'f')",
        "bytea": f"'\\\\x' || hex({name})",
        "text": f"replace(replace(replace(replace({name}, '\\', '\\\\'), char(9), '\\t'), char(10), '\\n'), "
        "char(13), '\\r')",
    }[type]
    return f"iif({name} IS NOT NULL AND ({fits(name, type, careful)}), {value}, '{NULL}')"


def _exact(name: str) -> str:
    """A SQL expression for the JSON of a value that does not fit its column."""
    return (
        f"CASE typeof({name}) WHEN 'integer' THEN '{{\"integer\":' || {name} || '}}' "
        f"WHEN 'real' THEN '{{\"real\":\"' || sm_real({name}) || '\"}}' "
        f"WHEN 'blob' THEN '{{\"blob\":\"' || hex({name}) || '\"}}' "
        f"WHEN 'null' THEN 'null' "
        f"ELSE iif(sm_text_fits(CAST({name} AS BLOB)), '{{\"text\":' || json_quote({name}) || '}}', "
        f"'{{\"bytes\":\"' || hex(CAST({name} AS BLOB)) || '\"}}') END"
    )


def _joined(parts: Sequence[str], separator: str) -> str:
    """The parts and the separator between them, joined by SQL."""
    between = _literal(separator)
    return _nested("concat(", [piece for part in parts for piece in (between, part)][1:])


def _joined_present(parts: Sequence[str]) -> str:
    """The parts that are neither NULL nor empty, joined by commas. (In 3.46 concat_ws leaves out both.)"""
    return _nested("concat_ws(',', ", parts)


def _nested(call: str, parts: Sequence[str]) -> str:
    """One call for all parts; calls inside it when they are many, because a call takes 127 arguments (limits.html)."""
    while len(parts) > 100:
        parts = [call + ", ".join(parts[i : i + 100]) + ")" for i in range(0, len(parts), 100)]
    return call + ", ".join(parts) + ")"


def _balanced(conditions: list[str], operator: str) -> list[str]:
    """Groups the conditions, because SQLite's expression depth is limited to 1,000 (limits.html)."""
    while len(conditions) > 100:
        conditions = ["(" + operator.join(conditions[i : i + 100]) + ")" for i in range(0, len(conditions), 100)]
    return conditions


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _json_name(column: MirrorColumn) -> str:
    return json.dumps(column.mirror_name, ensure_ascii=False) + ":"


def _key_hex(canonical_key: str) -> str:
    data = canonical_key.encode("ascii")
    return (b"\0" + data if len(data) <= KEY_BYTES else b"\1" + sha256(data).digest()).hex()


# And back.

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v", "\\": "\\"}
_ESCAPE = re.compile(r"\\(.)", re.S)


def split_line(line: str) -> list[str | None]:
    """The fields of one line of COPY text, unescaped; None for NULL."""
    fields: list[str | None] = list(line.split("\t"))
    if "\\" in line:
        for position, field in enumerate(fields):
            if field is not None and "\\" in field:
                fields[position] = None if field == NULL else _ESCAPE.sub(_unescape, field)
    return fields


def _unescape(match: re.Match[str]) -> str:
    return _ESCAPES.get(match.group(1), match.group(1))


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


# Postgres prints each type's text; these read it. A missing one needs nothing: SQLite's affinity makes the integer.
FROM_TEXT: dict[str, Callable[[str], Value]] = {
    "double precision": float,
    "numeric": _number,
    "boolean": "ft".index,
    "bytea": lambda text: bytes.fromhex(text[2:]),
}


class RawText(bytes):
    """TEXT whose bytes are these, in the database's encoding; written as CAST(? AS TEXT)."""


def exact_values(text: str) -> dict[str, Value]:
    """The values of one `_exact`, by mirror name."""
    return {name: _exact_value(value) for name, value in json.loads(text).items()}


def _exact_value(value: dict[str, Any]) -> Value:
    [(kind, content)] = value.items()
    if kind == "blob":
        return bytes.fromhex(content)
    if kind == "bytes":
        return RawText(bytes.fromhex(content))
    if kind == "real":
        return float(content)
    return content  # type: ignore[no-any-return]  # integer and text are what JSON says
