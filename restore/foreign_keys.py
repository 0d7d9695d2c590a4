"""Foreign keys that a restored table would leave pointing at nothing, by row, before anything is committed."""

from __future__ import annotations

import sqlite3
from collections import Counter

from mirror.errors import RestoreError
from mirror.names import quote_sqlite
from mirror.schema import Schema
from restore.plan import TablesStep

_EXAMPLES = 5

# Child table, its rowid (None in a WITHOUT ROWID table), parent table, number of the foreign key.
Violation = tuple[str, int | None, str, int]


def violations(connection: sqlite3.Connection, schema: Schema) -> Counter[Violation]:
    """All of main's. A foreign key that SQLite itself cannot check (its parent has no such key) has none."""
    found: Counter[Violation] = Counter()
    for table in schema.tables:
        try:
            rows = connection.execute(f"PRAGMA main.foreign_key_check({quote_sqlite(table.name)})").fetchall()
        except sqlite3.OperationalError as error:
            if "foreign key mismatch" not in str(error):
                raise
            continue
        found.update(tuple(row) for row in rows)
    return found


def refuse_new(connection: sqlite3.Connection, step: TablesStep, schema: Schema, before: Counter[Violation]) -> None:
    """Raises RestoreError, naming rows, for violations that were not there before."""
    new = violations(connection, schema) - before
    if not new:
        return
    examples = [_described(connection, schema, violation) for violation in list(new)[:_EXAMPLES]]
    more = f" and {new.total() - len(examples)} more" if new.total() > len(examples) else ""
    parents = sorted({parent for _, _, parent, _ in new})
    children = sorted({child for child, _, _, _ in new} - set(step.names))
    stem = step.database.file.rsplit(".", 1)[0]
    others = " ".join(f"--only {stem}.{name}" for name in [*parents, *children] if name not in step.names)
    together = f"restore the tables that belong together at once ({others}), or " if others else ""
    raise RestoreError(
        f"{step.database.file} was not changed: {new.total()} rows would refer to rows that are not there: "
        f"{'; '.join(examples)}{more}",
        f"{together}add --allow-violations if that is what you want",
    )


def _described(connection: sqlite3.Connection, schema: Schema, violation: Violation) -> str:
    child, rowid, parent, number = violation
    keys = connection.execute(f"PRAGMA main.foreign_key_list({quote_sqlite(child)})").fetchall()
    columns = [row[3] for row in keys if row[0] == number]
    table = schema.table(child)
    if rowid is None or table is None:
        return f"{child} ({', '.join(columns)}) -> {parent}"
    alias = quote_sqlite(str(table.rowid_alias))
    names = ", ".join(f"quote({quote_sqlite(column)})" for column in columns)
    query = f"SELECT {names} FROM main.{quote_sqlite(child)} WHERE {alias} = ?"
    values = connection.execute(query, (rowid,)).fetchone()
    told = ", ".join(f"{column} = {value[:40]}" for column, value in zip(columns, values, strict=True))
    return f"{child} row {rowid} ({told}) -> {parent}"
