r"""A row on its way to Postgres and back: SQLite's values as COPY text, and COPY text as SQLite's values.

To Postgres the encoding is done by SQLite itself, in SQL that is built here, because that is several times faster than
Python per value; only REALs pass through Python's `repr`, the shortest text that reads back as the same double (SQLite's
own text of a REAL has 15 digits). A value stands in its typed column when that column gives back the identical value and
class; otherwise the column is NULL and `_exact` holds it:

    {"amount": {"text": "toto"}, "photo": {"integer": 5}, "note": {"bytes": "ff00"}}

`bytes` is TEXT that Postgres cannot hold as text (a NUL, invalid UTF-8): the bytes of the value in the database's encoding.

Rows are sent with the byte 1 between fields and the byte 2 for NULL. Bot data hardly ever has them, so that most rows need
no escaping at all; whether that was so is seen by counting them (`is_plain`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from mirror.expressions import all_of, any_of, joined, joined_present, literal
from mirror.fits import class_fits, encoded_key, fits
from mirror.mapping import MirrorColumn, MirrorTable
from mirror.names import quote_sqlite
from mirror.schema import Table

PLAIN_BYTES = 8000
BIG_BYTES = 1024 * 1024
# History keeps a before-image as jsonb, bytes in hex; one of its strings has at most 256 MB (jsonb.h, JENTRY_OFFLENMASK).
LARGEST_BYTES = 120_000_000
COPY_OPTIONS = "DELIMITER E'\\x01', NULL E'\\x02'"

_SEPARATOR = "char(1)"
_NULL = "char(2)"
# What COPY text escapes, beside the two bytes above (https://www.postgresql.org/docs/17/sql-copy.html, Text Format).
_ESCAPED = (
    ("'\\'", "'\\\\'"),
    ("char(10)", "'\\n'"),
    ("char(13)", "'\\r'"),
    ("char(1)", "'\\' || char(1)"),
    ("char(2)", "'\\' || char(2)"),
)

_ESCAPED_BYTES = ((b"\\", b"\\\\"), (b"\n", b"\\n"), (b"\r", b"\\r"), (b"\1", b"\\\1"), (b"\2", b"\\\2"))

Value = int | float | str | bytes | None


def plain_line(table: Table, mirror: MirrorTable, alias: str = "n") -> str:
    """A SQL expression for one row as a line of COPY text, right only for a row that `plain_row` and `is_plain` hold for."""
    fields = [
        f"ifnull({_value(name, column.type)}, {_NULL})"
        for name, column in _named(mirror, alias)
        if column.type is not None
    ]
    return joined([*fields, *own_fields(table, mirror, alias), _NULL], _SEPARATOR)


def may_be_plain(mirror: MirrorTable) -> bool:
    """Whether it is worth trying: bytea is written with a backslash."""
    return all(type != "bytea" for _, type in mirror.fields)


def plain_row(table: Table, mirror: MirrorTable, alias: str = "n") -> str:
    """A SQL condition: a short row, every value of its column's class, and no text the byte that stands for NULL."""
    texts = [f"ifnull(octet_length({name}), 0)" for name, column in _named(mirror, alias) if column.type == "text"]
    conditions = [f"{' + '.join(texts)} <= {PLAIN_BYTES}"] if texts else []
    for name, column in _named(mirror, alias):
        if column.name == table.integer_key:
            continue  # a rowid is an integer, whatever else is in the row
        condition = class_fits(name, column.type)
        conditions.append(f"({condition}) AND {name} IS NOT {_NULL}" if column.type == "text" else condition)
    return all_of(conditions or ["1"])


def is_plain(lines: bytes, rows: int, fields: int) -> bool:
    """Whether whole lines made by plain_line say what they mean: nothing in them had to be escaped or left out."""
    if b"\0" in lines or b"\\" in lines or b"\r" in lines:
        return False
    if lines.count(b"\n") != rows or lines.count(b"\1") != rows * (fields - 1):
        return False
    if lines.isascii():
        return True
    try:
        lines.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def careful_line(table: Table, mirror: MirrorTable, alias: str = "n") -> str:
    """A SQL expression for any row as a line of COPY text, without its line end."""
    columns = _named(mirror, alias)
    fields = [careful_field(name, column.type) for name, column in columns if column.type is not None]
    misfits = [
        f"iif({fits(name, column.type)}, NULL, {literal(_json_name(column))} || {_exact(name)})"
        for name, column in columns
    ]
    all_fit = all_of([fits(name, column.type) for name, column in columns])
    exact = _escape(f"'{{' || {joined_present(misfits)} || '}}'")
    return joined([*fields, *own_fields(table, mirror, alias), f"iif({all_fit}, {_NULL}, {exact})"], _SEPARATOR)


@dataclass(frozen=True)
class FieldQuery:
    """SQL expressions about one value: is it too large to be encoded here, is it text; otherwise its field, its JSON."""

    column: MirrorColumn
    is_big: str
    is_text: str
    field: str
    exact: str
    whole: str  # its bytes


def is_big_row(mirror: MirrorTable, alias: str = "n", size: int = BIG_BYTES) -> str:
    """A SQL condition: at least one value has more than `size` bytes: too many to stand in memory several times."""
    return any_of([_is_big(name, size) for name, _ in _named(mirror, alias)])


def big_field_queries(mirror: MirrorTable, alias: str = "n") -> list[FieldQuery]:
    """What careful_line does, asked for column by column."""
    queries = []
    for name, column in _named(mirror, alias):
        small = f"NOT ({_is_big(name)})"
        field = f"iif({small}, {careful_field(name, column.type)}, NULL)" if column.type is not None else "NULL"
        misfit = _escape(f"{literal(_json_name(column))} || {_exact(name)}")
        exact = f"iif({small} AND NOT ({fits(name, column.type)}), {misfit}, NULL)"
        is_text = f"typeof({name}) = 'text'"
        queries.append(FieldQuery(column, _is_big(name), is_text, field, exact, f"CAST({name} AS BLOB)"))
    return queries


def escape_bytes(data: bytes) -> bytes:
    """UTF-8 text as it stands inside a field."""
    for character, escaped in _ESCAPED_BYTES:
        data = data.replace(character, escaped)
    return data


def _is_big(name: str, size: int = BIG_BYTES) -> str:
    return f"typeof({name}) IN ('text', 'blob') AND octet_length({name}) > {size}"


def key_line(table: Table, mirror: MirrorTable, alias: str = "n") -> str:
    """A SQL expression for a row's mirror key as a line of COPY text."""
    if mirror.key_kind != "columns":
        return joined(own_fields(table, mirror, alias)[-1:], _SEPARATOR)
    columns = {column.mirror_name: (name, column.type) for name, column in _named(mirror, alias)}
    return joined([careful_field(name, str(type)) for name, type in (columns[key] for key in mirror.key)], _SEPARATOR)


def _named(mirror: MirrorTable, alias: str) -> list[tuple[str, MirrorColumn]]:
    return [(f"{alias}.{quote_sqlite(column.name)}", column) for column in mirror.columns]


def own_fields(table: Table, mirror: MirrorTable, alias: str = "n") -> list[str]:
    """SQL expressions for what a mirror has beside the columns and `_exact`: the rowid, the encoded key."""
    fields = []
    if mirror.rowid:
        fields.append(f"{alias}.{table.rowid_alias}")
    if mirror.key_kind == "encoded":
        fields.append(f"'\\\\x' || {encoded_key(table, alias)}")
    return fields


def _value(name: str, type: str) -> str:
    """The text of a value that fits, NULL for NULL."""
    if type == "double precision":
        return f"iif({name} IS NULL, NULL, sm_real({name}))"
    if type == "numeric":
        return f"iif(typeof({name}) = 'real', sm_real({name}), {name})"
    if type == "bytea":
        return f"'\\\\x' || hex({name})"
    return name


def careful_field(name: str, type: str) -> str:
    """A SQL expression for one value as a field of COPY text; NULL's byte where it does not fit its column."""
    value = _escape(name) if type == "text" else _value(name, type)
    return f"iif({name} IS NOT NULL AND ({fits(name, type)}), {value}, {_NULL})"


def _escape(text: str) -> str:
    for character, replacement in _ESCAPED:
        text = f"replace({text}, {character}, {replacement})"
    return text


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


def _json_name(column: MirrorColumn) -> str:
    return json.dumps(column.mirror_name, ensure_ascii=False) + ":"


# And back.

_ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_ESCAPE = re.compile(r"\\(.)", re.S)
_FIELD = re.compile(r"(?:^|\x01)((?:[^\\\x01]|\\.)*)", re.S)


def split_sent(line: str) -> list[str | None]:
    """The fields of a line that was made here, to be sent another way; None for NULL."""
    # An escaped byte 1 is part of a field; a backslash before it can itself be escaped.
    fields = _FIELD.findall(line) if "\\" in line else line.split("\1")
    return [None if field == "\2" else _unescaped(field) for field in fields]


def split_received(line: str) -> list[str | None]:
    r"""The fields of a line that Postgres sent by a plain COPY (tab between them, \N for NULL)."""
    fields: list[str | None] = list(line.split("\t"))
    if "\\" in line:
        return [None if field == r"\N" else _unescaped(str(field)) for field in fields]
    return fields


def received_fields(lines: str, width: int) -> list[str | None]:
    """The fields of whole lines that Postgres sent, each of `width` fields, as split_received gives them, in one list.

    Raises ValueError when a line has another number of fields.
    """
    # Tabs and line ends of a value are escaped, so all that are seen stand between fields.
    fields: list[str | None] = list(lines.replace("\n", "\t").split("\t"))
    fields.pop()
    if len(fields) != lines.count("\n") * width:
        raise ValueError("a row has another number of fields than its table")
    if "\\" in lines:
        return [None if field == r"\N" else _unescaped(str(field)) for field in fields]
    return fields


def _unescaped(field: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPES.get(match.group(1), match.group(1)), field) if "\\" in field else field


def _number(text: str) -> int | float:
    return float(text) if "." in text else int(text)


# Postgres prints each type's text; these read it. A missing one needs nothing: SQLite's affinity makes the integer.
FROM_TEXT: dict[str, Callable[[str], Value]] = {
    "double precision": float,
    "numeric": _number,
    "boolean": {"f": 0, "t": 1, "0": 0, "1": 1}.__getitem__,  # Postgres says f and t, SQLite 0 and 1
    "bytea": lambda text: bytes.fromhex(text[2:]),
}


class RawText(bytes):
    """TEXT whose bytes are these, in the database's encoding."""


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
    if (kind, type(content)) not in (("integer", int), ("text", str)):
        raise ValueError(f"{kind} is not a class, or this is not a value of it")
    return content  # type: ignore[no-any-return]
