"""What a restore would change in one table: rows that come, rows that go, rows that become others, by value and class.

Rows are the same row when they have the same declared key, or the same rowid where there is none. Two values are equal when
SQLite's class and every bit of them are; the rowid that a program can see is one of a row's values.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass

from mirror.expressions import all_of, any_of
from mirror.fits import row_differs, same_key
from mirror.names import quote_sqlite
from mirror.schema import Table

_SHOWN_COLUMNS = 900  # a statement gives at most 2,000 (https://www.sqlite.org/limits.html)


class Text(bytes):
    """TEXT as its bytes."""


Shown = int | float | Text | bytes | None
Row = dict[str, Shown]


@dataclass(frozen=True)
class Example:
    """One row: as it is now, and as it was at the restore point; None where it is not there."""

    now: Row | None
    then: Row | None


@dataclass(frozen=True)
class TableDifference:
    """Counts of rows; None where they cannot be known, and then `note` says why."""

    name: str
    now: int | None
    then: int
    added: int | None
    changed: int | None
    removed: int | None
    note: str = ""
    examples: tuple[Example, ...] = ()

    @property
    def equal(self) -> bool:
        return (self.added, self.changed, self.removed, self.note) == (0, 0, 0, "")


def compare(connection: sqlite3.Connection, then: Table, now: Table, most: int, note: str) -> TableDifference:
    """Compares "then".table with main.table; with up to `most` examples of each kind.

    The connection needs expressions.register, and gives text as Text.
    """
    old, new = f"main.{quote_sqlite(now.name)} AS o", f'"then".{quote_sqlite(then.name)} AS n'
    rows_now, rows_then = _count(connection, old), _count(connection, new)
    matches = _matches(then, now)
    differs = _differs(then, now)
    # One order for all statements: the two sides of an example come from two of them.
    pairs = [f"{new} NOT INDEXED CROSS JOIN {old} ON {match}" for match in matches]
    paired = sum(_count(connection, pair) for pair in pairs)
    changed = sum(_count(connection, f"{pair} WHERE {differs}") for pair in pairs)
    if not matches:
        note = f"{note}; its rows have other keys, so none is taken for the same" if note else "its key is another one"
    examples: list[Example] = []
    if most:
        n, o = _columns(then, "n"), _columns(now, "o")
        alone = all_of([f"NOT EXISTS (SELECT 1 FROM {old} WHERE {match})" for match in matches] or ["1"])
        examples += [Example(None, row) for row in _rows(connection, n, f"{new} WHERE {alone}", most)]
        for pair in pairs:
            where = f"{pair} WHERE {differs}"
            was, becomes = _rows(connection, o, where, most), _rows(connection, n, where, most)
            examples += [Example(*both) for both in zip(was, becomes, strict=True)]
        alone = all_of([f"NOT EXISTS (SELECT 1 FROM {new} WHERE {match})" for match in matches] or ["1"])
        examples += [Example(row, None) for row in _rows(connection, o, f"{old} WHERE {alone}", most)]
    return TableDifference(
        then.name, rows_now, rows_then, rows_then - paired, changed, rows_now - paired, note, tuple(examples)
    )


def only_there(connection: sqlite3.Connection, schema: str, table: Table, most: int, note: str) -> TableDifference:
    """A table that only one side has: `schema` is main (it goes) or then (it comes)."""
    source = f'"{schema}".{quote_sqlite(table.name)} AS x'
    rows = _count(connection, source)
    shown = _rows(connection, _columns(table, "x"), source, most) if most else []
    if schema == "main":
        gone = tuple(Example(row, None) for row in shown)
        return TableDifference(table.name, rows, 0, 0, 0, rows, note, gone)
    return TableDifference(table.name, 0, rows, rows, 0, 0, note, tuple(Example(None, row) for row in shown))


def _matches(then: Table, now: Table) -> list[str]:
    """Conditions for n and o being the same row; no two of them hold for the same row."""
    if then.without_rowid != now.without_rowid:
        return []
    keys = [[(c.name, c.key_collation) for c in table.key_columns] for table in (then, now)]
    if then.integer_key is None and now.integer_key is None and keys[0] and keys[0] == keys[1]:
        by_key = same_key(then, "n", "o")
        if then.without_rowid:
            return [by_key]
        # NULL is in no key that SQLite compares, so such rows go by their rowid.
        missing = [any_of([f"{alias}.{quote_sqlite(name)} IS NULL" for name, _ in keys[0]]) for alias in ("n", "o")]
        return [by_key, f"{_same_rowid(then, now)} AND ({missing[0]}) AND ({missing[1]})"]
    return [] if then.without_rowid else [_same_rowid(then, now)]


def _same_rowid(then: Table, now: Table) -> str:
    return f"n.{quote_sqlite(str(then.rowid_alias))} = o.{quote_sqlite(str(now.rowid_alias))}"


def _differs(then: Table, now: Table) -> str:
    had = {column.name for column in then.stored_columns}
    only_now = [f"o.{quote_sqlite(c.name)} IS NOT NULL" for c in now.stored_columns if c.name not in had]
    if then.rowid_visible and now.rowid_visible:  # data of its own, though hardly anybody looks at it
        only_now.append(f"NOT ({_same_rowid(then, now)})")
    return any_of([row_differs(then, now), *only_now])


def _count(connection: sqlite3.Connection, source: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {source}").fetchone()[0])


def _columns(table: Table, alias: str) -> list[tuple[str, str]]:
    names = [(column.name, f"{alias}.{quote_sqlite(column.name)}") for column in table.stored_columns]
    names = names[:_SHOWN_COLUMNS]
    if table.rowid_visible:
        own = (str(table.rowid_alias), f"{alias}.{table.rowid_alias}")
        return [*names, own] if table.key_columns else [own, *names]
    return names


def _rows(connection: sqlite3.Connection, columns: Sequence[tuple[str, str]], source: str, most: int) -> list[Row]:
    found = connection.execute(f"SELECT {', '.join(sql for _, sql in columns)} FROM {source} LIMIT {most}")
    return [dict(zip([name for name, _ in columns], row, strict=True)) for row in found]
