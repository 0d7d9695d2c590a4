"""Stand-ins for what only the bot's own program has: a collation, a function. Rows are read and kept without them.

A collation stands for what it is not: by bytes. So no row is found by an index that has it, and none of what an index that
needs one of the two says is believed. A function gives NULL, which no CHECK refuses and no UNIQUE index holds twice.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TypeVar

from mirror.names import quote_sqlite

BUILT_IN = frozenset({"BINARY", "NOCASE", "RTRIM"})
_T = TypeVar("_T")
_MOST = 200
_COLLATION = re.compile(r"no such collation sequence: (?P<name>.+)", re.S)
_FUNCTION = re.compile(r"(?:no such function: (?P<name>.+)|unknown function: (?P<other>.+)\(\))", re.S)
_DECLARED = re.compile(r"""\bCOLLATE\s+("(?:[^"]|"")*"|`[^`]*`|\[[^\]]*\]|'(?:[^']|'')*'|[^\s"'`\[\](),;]+)""", re.I)


@dataclass
class StandIns:
    """Those of one connection."""

    connection: sqlite3.Connection
    collations: set[str] = field(default_factory=set)
    functions: set[str] = field(default_factory=set)

    def run(self, task: Callable[[], _T]) -> _T:
        """The task's result, tried again for each collation or function that it says is missing."""
        for _ in range(_MOST):
            try:
                return task()
            except sqlite3.Error as error:
                if not self._add(str(error)):
                    raise
        return task()

    def _add(self, told: str) -> bool:
        collation, function = _COLLATION.fullmatch(told), _FUNCTION.fullmatch(told)
        if collation and collation["name"] not in self.collations:
            return self._add_collation(collation["name"])
        name = (function["name"] or function["other"]) if function else None
        if name is None or name in self.functions:
            return False
        self.connection.create_function(name, -1, _null, deterministic=True)
        self.functions.add(name)
        return True

    def _add_collation(self, name: str) -> bool:
        try:
            self.connection.create_collation(name, _by_bytes)
        except (UnicodeError, sqlite3.Error):
            return False
        self.collations.add(name)
        return True

    def declared_collations(self, database: str = "main") -> None:
        """Those that its schema names, before anything asks for them."""
        named = f"SELECT sql FROM {database}.sqlite_schema WHERE sql LIKE '%collate%'"
        for (sql,) in self.connection.execute(named).fetchall():
            for name in _DECLARED.findall(_text(sql)):
                plain = name.strip("\"'`[]")
                if plain.upper() not in BUILT_IN and plain not in self.collations and "\ufffd" not in plain:
                    self._add_collation(plain)

    def indexes(self) -> dict[str, str]:
        """The indexes whose order or content is not known here, with what they need."""
        found: dict[str, str] = {}
        rows = self.connection.execute("SELECT name, coalesce(sql, '') FROM main.sqlite_schema WHERE type = 'index'")
        for index, sql in [(_text(name), _text(sql)) for name, sql in rows.fetchall()]:
            for row in self.connection.execute(f"PRAGMA main.index_xinfo({quote_sqlite(index)})").fetchall():
                if row[4] is not None and own_collation(_text(row[4])):
                    found[index] = _text(row[4])
            for function in self.functions:
                if re.search(rf"(?<!\w){re.escape(function)}\W", sql, re.I):
                    found[index] = f"{function}()"
        return found


def own_collation(name: str) -> bool:
    """Whether it is none of SQLite's own."""
    return name.upper() not in BUILT_IN


def _text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode(errors="replace")


def _by_bytes(left: str, right: str) -> int:
    return (left > right) - (left < right)


def _null(*_arguments: object) -> None:
    return None


def stand_in_for_collations(connection: sqlite3.Connection) -> None:
    """For a file that is only read, never for the bot's own: by a stand-in it would be written in a wrong order."""
    StandIns(connection).declared_collations()


@contextmanager
def closed_on_error(connection: sqlite3.Connection) -> Iterator[None]:
    """Around what is done to a connection before it is given to who closes it."""
    try:
        yield
    except BaseException:
        connection.close()
        raise
