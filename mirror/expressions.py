"""Pieces of SQLite SQL that other modules put together, within SQLite's limits (https://www.sqlite.org/limits.html)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from hashlib import sha256

# A btree entry is at most 2,704 bytes (nbtree's BTMaxItemSize); longer keys make the rowid the key.
KEY_BYTES = 1500

CODECS = {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}

# Postgres takes no NUL. From UTF-8 into UTF-16, SQLite makes U+FFFD of the other two (utf.c, READ_UTF8), and everything that
# our SQL makes of a text in a UTF-16 database goes that way.
_LOST, _LOST_IN_UTF_16 = re.compile("\0"), re.compile("[\0\ufffe\uffff]")


def register(connection: sqlite3.Connection, encoding: str) -> None:
    """Gives the connection the functions that our SQL calls. `encoding` is the database's own."""

    def text_fits(data: bytes) -> bool:
        try:
            return not lost_characters(encoding).search(data.decode(CODECS[encoding]))
        except UnicodeDecodeError:
            return False

    connection.create_function("sm_real", 1, repr, deterministic=True)
    connection.create_function("sm_text_fits", 1, text_fits, deterministic=True)
    connection.create_function("sm_key", 1, _key_hex, deterministic=True)


def lost_characters(encoding: str) -> re.Pattern[str]:
    """The characters with which a text of a database in this encoding does not come back as it was."""
    return _LOST if encoding == "UTF-8" else _LOST_IN_UTF_16


def literal(text: str) -> str:
    """The text as a SQL string."""
    return "'" + text.replace("'", "''") + "'"


def joined(parts: Sequence[str], separator: str) -> str:
    """The parts and the separator (a SQL expression) between them; a NULL part counts as empty."""
    return _nested("concat(", [piece for part in parts for piece in (separator, part)][1:])


def joined_present(parts: Sequence[str]) -> str:
    """The parts that are neither NULL nor empty, joined by commas. (SQLite 3.46's concat_ws leaves out both.)"""
    return _nested("concat_ws(',', ", parts)


def all_of(conditions: Sequence[str]) -> str:
    """Every condition holds."""
    return _balanced(conditions, " AND ")


def any_of(conditions: Sequence[str]) -> str:
    """At least one condition holds."""
    return _balanced(conditions, " OR ")


def canonical(names: Sequence[str]) -> str:
    """Values as ASCII text that differs for any difference in value or class."""
    return joined(
        [
            f"CASE typeof({name}) WHEN 'integer' THEN 'i' || {name} WHEN 'text' THEN 't' || hex(CAST({name} AS BLOB)) "
            f"WHEN 'null' THEN 'n' WHEN 'real' THEN 'r' || sm_real({name}) ELSE 'b' || hex({name}) END"
            for name in names
        ],
        "','",
    )


def _nested(call: str, parts: Sequence[str]) -> str:
    """One call for all parts; calls inside it when they are many, because a call takes at most 127 arguments."""
    while len(parts) > 100:
        parts = [call + ", ".join(parts[i : i + 100]) + ")" for i in range(0, len(parts), 100)]
    return call + ", ".join(parts) + ")"


def _balanced(conditions: Sequence[str], operator: str) -> str:
    """Grouped, because an expression is at most 1,000 deep."""
    parts = [f"({condition})" for condition in conditions]
    while len(parts) > 100:
        parts = ["(" + operator.join(parts[i : i + 100]) + ")" for i in range(0, len(parts), 100)]
    return operator.join(parts)


def _key_hex(canonical_key: str) -> str:
    data = canonical_key.encode("ascii")
    return (b"\0" + data if len(data) <= KEY_BYTES else b"\1" + sha256(data).digest()).hex()
