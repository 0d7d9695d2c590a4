"""What a private SQLite file really holds: its schema, the content of each table, and the content hash."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mirror.content import TableContent, database_hash
from mirror.expressions import register
from mirror.lines import table_content
from mirror.schema import Schema, read_schema


@dataclass(frozen=True)
class Inspection:
    schema: Schema
    contents: dict[str, TableContent]
    content_hash: bytes


def inspect(path: Path, journal_mode: str) -> Inspection:
    """Reads all of a file that nobody else uses. `journal_mode`: the one its header names.

    Raises sqlite3.Error for a damaged file, SourceUnsupported for what cannot be mirrored.
    """
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    try:
        schema = read_schema(connection, journal_mode)
        encoding = schema.pragmas.encoding
        register(connection, encoding)
        connection.text_factory = bytes
        contents = {table.name: table_content(connection, "main", table, encoding) for table in schema.tables}
    finally:
        connection.close()
    return Inspection(schema, contents, database_hash(schema, contents))


def header_journal_mode(path: Path) -> str:
    """wal or delete, from the header's write version (https://www.sqlite.org/fileformat2.html, offset 18)."""
    with path.open("rb") as file:
        header = file.read(20)
    return "wal" if len(header) == 20 and header[18] == 2 else "delete"
