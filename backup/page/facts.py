"""Reads state/view.db: short read transactions, nothing held between two requests."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

from backup.view.store import FILE, VERSION

# A run that writes holds its lock for milliseconds.
BUSY_SECONDS = 0.5


@dataclass(frozen=True)
class TableFacts:
    id: int
    file: str
    name: str
    mirror: int
    here: int | None
    changed_run: int | None
    changed_at: float | None
    bytes: int | None
    exact: int | None
    examples: tuple[dict[str, str], ...]


@dataclass(frozen=True)
class DatabaseFacts:
    """`here_at`: its rows were counted then, because it is not equal to its mirror; None: it is, as of the last look."""

    file: str
    bytes: int | None
    here_at: float | None
    tables: tuple[TableFacts, ...]

    @property
    def mirror(self) -> int:
        return sum(table.mirror for table in self.tables)

    @property
    def here(self) -> int | None:
        counts = [table.here for table in self.tables]
        return None if None in counts else sum(count or 0 for count in counts)

    @property
    def exact(self) -> int:
        """SQLite's own tables apart: they have no types, so every number in them is one."""
        return sum(table.exact or 0 for table in self.tables if not table.name.startswith("sqlite_"))

    @property
    def changed_at(self) -> float | None:
        return max((table.changed_at for table in self.tables if table.changed_at), default=None)


@contextmanager
def opened(state_dir: Path) -> Iterator[sqlite3.Connection | None]:
    """The view for reading, as of one instant; None where there is none that can be read."""
    try:
        connection = sqlite3.connect(
            f"file:{quote(str(state_dir / FILE))}?mode=ro", uri=True, timeout=BUSY_SECONDS, isolation_level=None
        )
    except sqlite3.Error:
        yield None
        return
    try:
        yield connection if _readable(connection) else None
    finally:
        connection.close()


def facts(view: sqlite3.Connection | None) -> dict[str, Any]:
    """What the sidecar told of itself: source, limit_seconds, size_limit, last_run …; {} where there is nothing."""
    if view is None:
        return {}
    return {name: json.loads(value) for name, value in view.execute("SELECT name, value FROM facts")}


def databases(view: sqlite3.Connection) -> tuple[DatabaseFacts, ...]:
    """The databases with their tables, by name."""
    tables: dict[str, list[TableFacts]] = {}
    for row in view.execute(
        "SELECT id, file, name, mirror, here, changed_run, changed_at, bytes, exact, examples FROM tables "
        "WHERE NOT gone ORDER BY file, name"
    ):
        table = TableFacts(*(*row[:9], tuple(json.loads(row[9] or "[]"))))
        tables.setdefault(table.file, []).append(table)
    found = {file: (size, at) for file, size, at in view.execute("SELECT file, bytes, here_at FROM databases")}
    return tuple(DatabaseFacts(file, *found.get(file, (None, None)), tuple(some)) for file, some in tables.items())


def table(view: sqlite3.Connection, number: int) -> TableFacts | None:
    """One table by its number in the view."""
    return next((one for database in databases(view) for one in database.tables if one.id == number), None)


def _readable(connection: sqlite3.Connection) -> bool:
    try:
        connection.execute("BEGIN")
        [(version,)] = connection.execute("PRAGMA user_version")
    except sqlite3.Error:
        return False
    return bool(version == VERSION)
