"""A dry run as a person reads it, and as JSON. In both, a value's class can be told from how it is written."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC
from typing import Any

from mirror.plain_text import shown
from restore.differences import Example, Row, Shown, TableDifference, Text
from restore.document_differences import DocumentDifference, ValueExample
from restore.dry_run import DatabaseDifference, DryRun

_MOST_CHARACTERS = 60


def as_lines(found: DryRun) -> list[str]:
    """One part for each file; a table that stays as it is, is only counted."""
    lines = [line for database in found.databases for line in _database(database)]
    lines += [line for document in found.documents for line in _document(document)]
    lines.append(
        "Nothing would change." if found.equal else "This is what a restore would change; nothing was changed now."
    )
    return [shown(line) for line in lines]


def to_json(found: DryRun) -> dict[str, Any]:
    """Everything, equal tables too. Text is a string; blobs and broken text are {"blob": hex} and {"bytes": hex}."""
    return {
        "source": found.source,
        "run": found.run,
        "at": found.at.astimezone(UTC).isoformat(timespec="seconds") if found.at else None,
        "equal": found.equal,
        "databases": [
            {
                "file": database.file,
                "there": database.there,
                "unreadable": database.unreadable,
                "equal": database.equal,
                "schema": list(database.schema),
                "tables": [_table_json(table) for table in database.tables],
            }
            for database in found.databases
        ],
        "documents": [
            {name: getattr(each, name) for name in ("file", "now", "then", "equal", "added", "changed", "removed")}
            | {"examples": [{"path": one.path, "now": one.now, "then": one.then} for one in each.examples]}
            for each in found.documents
        ],
    }


def _database(database: DatabaseDifference) -> Iterator[str]:
    if database.unreadable:
        yield f"  {database.file}: the file that is there cannot be compared: {database.unreadable}"
    elif not database.there:
        yield f"  {database.file}: is not there, and comes back"
    elif database.equal:
        yield f"  {database.file}: equal, {len(database.tables)} tables"
        return
    else:
        yield f"  {database.file}:"
    differing = [table for table in database.tables if not table.equal]
    if differing:
        width = max(len("table"), *(len(table.name) for table in differing))
        yield f"    {'table':<{width}}  {'now':>9}  {'then':>9}  {'added':>9}  {'changed':>9}  {'removed':>9}"
        for table in differing:
            yield from _table(table, width)
    if len(differing) < len(database.tables):
        yield f"    {len(database.tables) - len(differing)} more tables are equal"
    yield from (f"    {change}" for change in database.schema)


def _table(table: TableDifference, width: int) -> Iterator[str]:
    counts = (table.now, table.then, table.added, table.changed, table.removed)
    figures = "  ".join(f"{'?' if count is None else count:>9}" for count in counts)
    yield f"    {table.name:<{width}}  {figures}" + (f"  {table.note}" if table.note else "")
    yield from (f"      {_example(example)}" for example in table.examples)


def _example(example: Example) -> str:
    if example.now is None:
        return f"+ {_row(example.then or {})}"
    if example.then is None:
        return f"- {_row(example.now)}"
    names = [*example.then, *(name for name in example.now if name not in example.then)]
    differing = [name for name in names if _exact(example.now.get(name)) != _exact(example.then.get(name))]
    first = next(iter(example.then))
    changes = [f"{name} {_told(example.now.get(name))} -> {_told(example.then.get(name))}" for name in differing]
    return f"~ {first} = {_told(example.then[first])}: {', '.join(changes)}"


def _row(row: Row) -> str:
    return ", ".join(f"{name} = {_told(value)}" for name, value in row.items())


def _document(document: DocumentDifference) -> Iterator[str]:
    if document.equal:
        yield f"  {document.file}: equal"
        return
    sizes = f"{'is not there' if document.now is None else f'{document.now} bytes now'}, {document.then} bytes then"
    if document.added is None:
        yield f"  {document.file}: {sizes}; it is not JSON, now or then"
    else:
        values = f"{document.added} added, {document.changed} changed, {document.removed} removed"
        yield f"  {document.file}: {sizes}; values: {values}"
    yield from (f"      {_value(example)}" for example in document.examples)


def _value(example: ValueExample) -> str:
    now, then = (None if text is None else _cut(text) for text in (example.now, example.then))
    if now is None:
        return f"+ {example.path} = {then}"
    return f"- {example.path} = {now}" if then is None else f"~ {example.path}: {now} -> {then}"


def _told(value: Shown) -> str:
    """As SQL writes it: 1, 1.0, '1' and x'31' are four values."""
    if value is None:
        return "NULL"
    if isinstance(value, Text):
        try:
            text = value.decode()
        except UnicodeDecodeError:
            return _cut(f"CAST(x'{value.hex()}' AS TEXT)")
        return _cut("'" + "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in text) + "'")
    if isinstance(value, bytes):
        return _cut(f"x'{value[:_MOST_CHARACTERS].hex()}'")
    return repr(value)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"


def _exact(value: Shown) -> tuple[str, str]:
    return type(value).__name__, repr(value)


def _table_json(table: TableDifference) -> dict[str, Any]:
    counts = {
        name: getattr(table, name) for name in ("name", "now", "then", "added", "changed", "removed", "note", "equal")
    }
    return counts | {
        "examples": [{"now": _row_json(example.now), "then": _row_json(example.then)} for example in table.examples]
    }


def _row_json(row: Row | None) -> dict[str, Any] | None:
    return None if row is None else {name: _value_json(value) for name, value in row.items()}


def _value_json(value: Shown) -> Any:
    if isinstance(value, Text):
        try:
            return value.decode()
        except UnicodeDecodeError:
            return {"bytes": value.hex()}
    if isinstance(value, bytes):
        return {"blob": value.hex()}
    if isinstance(value, float) and value in (float("inf"), float("-inf")):
        return {"real": repr(value)}
    return value
