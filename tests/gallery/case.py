"""What one peculiarity is made of."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Step = Callable[[sqlite3.Connection], None]


@dataclass(frozen=True)
class Case:
    """`make` gets an empty database, `change` the one that `make` made; both in autocommit mode."""

    name: str
    make: Step
    change: Step


def sql(name: str, make: str, change: str) -> Case:
    """A case of two SQL scripts."""
    return Case(name, lambda connection: _script(connection, make), lambda connection: _script(connection, change))


def rows(name: str, create: str, first: list[tuple[Any, ...]], then: list[tuple[Any, ...]]) -> Case:
    """A case of one table t, filled with Python values, then with more of them after every other row has gone."""

    def make(connection: sqlite3.Connection) -> None:
        connection.executescript(create)
        insert(connection, first)

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM t WHERE rowid % 2 = 0")
        insert(connection, then)

    return Case(name, make, change)


def insert(connection: sqlite3.Connection, values: list[tuple[Any, ...]]) -> None:
    for row in values:
        # A literal that is cast to TEXT is taken for what the database is encoded in, and a bound blob for UTF-8.
        parts = [f"CAST(x'{value.hex()}' AS TEXT)" if isinstance(value, Raw) else "?" for value in row]
        plain = [value for value in row if not isinstance(value, Raw)]
        connection.execute(f"INSERT INTO t VALUES ({', '.join(parts)})", plain)


class Raw(bytes):
    """TEXT of these very bytes, in the database's encoding."""


def _script(connection: sqlite3.Connection, script: str) -> None:
    connection.executescript(script)
