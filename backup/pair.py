"""Snapshot and shadow side by side in one SQLite connection: which rows differ, and those rows as COPY text.

Both files are private to the sidecar and nobody writes to them, which is what `immutable` needs to be right.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from backup.changes import TableChanged, TableCreated
from mirror.content import TableContent, hash_rows, row_text
from mirror.mapping import KeyKind
from mirror.names import quote_sqlite
from mirror.schema import Schema, Table
from mirror.values import copy_line, key_line, register, row_differs, same_key

CHUNK_BYTES = 256 * 1024


class Pair:
    """`main` is the snapshot, `shadow` (where there is one of the same encoding) the shadow; `temp` holds what differs."""

    def __init__(self, snapshot: Path, schema: Schema, shadow: Path | None, shadow_schema: Schema | None) -> None:
        self.schema = schema
        self.shadow_schema = shadow_schema
        self.encoding = schema.pragmas.encoding
        self.connection = sqlite3.connect(_private(snapshot), uri=True, isolation_level=None)
        self.connection.text_factory = bytes
        register(self.connection, self.encoding)
        self.connection.execute("PRAGMA temp_store = FILE")
        # https://www.sqlite.org/lang_attach.html: attached databases must use the same text encoding.
        self.comparable = (
            shadow is not None and shadow_schema is not None and shadow_schema.pragmas.encoding == self.encoding
        )
        if self.comparable:
            self.connection.execute("ATTACH ? AS shadow", (_private(shadow),))

    def close(self) -> None:
        self.connection.close()

    def count(self, table: Table) -> int:
        """Rows in the snapshot."""
        return self._number(f"SELECT count(*) FROM main.{quote_sqlite(table.name)}")

    def all_keys_fit(self, table: Table, condition: str, number: int | None = None) -> bool:
        """Whether every row (with `number`: every changed row) meets the condition on its key."""
        rows = f"main.{quote_sqlite(table.name)} n" if number is None else self._changed(table, number)
        return not self._number(f"SELECT EXISTS (SELECT 1 FROM {rows} WHERE NOT ({condition}))")

    def find_changes(self, table: Table, old: Table, old_rows: int, number: int) -> tuple[int, int]:
        """Fills temp.up_N and temp.gone_N with the row identities that differ; gives how many of each there are.

        up: rows that are new, or whose values, classes or (where visible) rowid differ. gone: rows that are no more.
        A row's identity is its rowid, or the PRIMARY KEY in a WITHOUT ROWID table.
        """
        new_name, old_name = f"main.{quote_sqlite(table.name)}", f"shadow.{quote_sqlite(old.name)}"
        identity = self._identity(table, "n")
        match = self._match(table, old)
        missing = f"{self._identity(old, 'o')[0]} IS NULL"
        execute = self.connection.execute
        execute(
            f"CREATE TEMP TABLE up_{number} AS SELECT {_named(identity)} FROM {new_name} n "
            f"LEFT JOIN {old_name} o ON {match} WHERE {missing} OR {row_differs(table, old)}"
        )
        inserted = self._number(
            f"SELECT count(*) FROM {self._changed(table, number)} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {old_name} o WHERE {match})"
        )
        upserts = self._number(f"SELECT count(*) FROM temp.up_{number}")
        execute(
            f"CREATE TEMP TABLE gone_{number} AS SELECT {_named(self._identity(old, 'o'))} FROM {old_name} o WHERE false"
        )
        gone = old_rows + inserted - self.count(table)
        if gone:
            execute(
                f"INSERT INTO temp.gone_{number} SELECT {', '.join(self._identity(old, 'o'))} FROM {old_name} o "
                f"WHERE NOT EXISTS (SELECT 1 FROM {new_name} n WHERE {match})"
            )
        return upserts, self._number(f"SELECT count(*) FROM temp.gone_{number}")

    def delta(self, table: Table, old: Table, number: int) -> tuple[TableContent, TableContent]:
        """The content of the rows that went (in their old form) and of those that came (in their new form)."""
        removed = hash_rows(self._texts(old, self._was(old, number)))
        added = hash_rows(self._texts(table, self._changed(table, number)))
        return removed, added

    def content(self, table: Table) -> TableContent:
        """The content of the whole table in the snapshot."""
        return hash_rows(self._texts(table, f"main.{quote_sqlite(table.name)} n"))

    def created(self, change: TableCreated) -> Iterator[tuple[bytes, TableContent]]:
        rows = f"main.{quote_sqlite(change.table.name)} n"
        yield from self._lines(change, rows, hashed=True)

    def upserts(self, change: TableChanged) -> Iterator[bytes]:
        for chunk, _ in self._lines(change, self._changed(change.table, change.number), hashed=False):
            yield chunk

    def deletes(self, change: TableChanged) -> Iterator[bytes]:
        yield from self._chunks(
            f"SELECT {key_line(self._old(change.known.mirror.name), change.known.mirror)} {self._deleted(change)}"
        )

    def count_deletes(self, table: Table, old: Table, key_kind: KeyKind, number: int) -> int:
        return self._number(f"SELECT count(*) {self._deleted_rows(table, old, key_kind, number)}")

    def _deleted(self, change: TableChanged) -> str:
        old = self._old(change.known.mirror.name)
        return self._deleted_rows(change.table, old, change.known.mirror.key_kind, change.number)

    def _deleted_rows(self, table: Table, old: Table, key_kind: KeyKind, number: int) -> str:
        """FROM and WHERE of the old rows whose mirror key no row has now."""
        if table.integer_key is not None or key_kind == "rowid":
            return f"FROM {self._joined(old, f'shadow.{quote_sqlite(old.name)}', f'gone_{number}')}"
        return (
            f"FROM {self._was(old, number)} WHERE NOT EXISTS "
            f"(SELECT 1 FROM main.{quote_sqlite(table.name)} k WHERE {same_key(table, 'k', 'n')})"
        )

    def _old(self, name: str) -> Table:
        assert self.shadow_schema is not None
        table = self.shadow_schema.table(name)
        assert table is not None
        return table

    def _texts(self, table: Table, rows: str) -> Iterator[tuple[bytes]]:
        yield from self.connection.execute(f"SELECT {row_text(table)} FROM {rows}")

    def _lines(
        self, change: TableCreated | TableChanged, rows: str, hashed: bool
    ) -> Iterator[tuple[bytes, TableContent]]:
        """Encodes quickly as long as Postgres can hold every text, carefully from the first chunk on where it cannot."""
        text = f", {row_text(change.table)}" if hashed else ""
        done = 0
        # A UTF-16 text becomes valid UTF-8 on its way out even where it is not valid UTF-16.
        if self.encoding == "UTF-8":
            query = f"SELECT {copy_line(change.table, change.mirror, careful=False)}{text} FROM {rows}"
            for chunk, texts, count in self._batches(query):
                if not _postgres_can_hold(chunk):
                    break
                done += count
                yield chunk, hash_rows(texts)
            else:
                return
        query = (
            f"SELECT {copy_line(change.table, change.mirror, careful=True)}{text} FROM {rows} LIMIT -1 OFFSET {done}"
        )
        for chunk, texts, _ in self._batches(query):
            yield chunk, hash_rows(texts)

    def _batches(self, query: str) -> Iterator[tuple[bytes, list[tuple[bytes]], int]]:
        lines: list[bytes] = []
        texts: list[tuple[bytes]] = []
        size = 0
        for line, *text in self.connection.execute(query):
            lines.append(line)
            texts.extend((value,) for value in text)
            size += len(line)
            if size >= CHUNK_BYTES:
                yield b"\n".join(lines) + b"\n", texts, len(lines)
                lines, texts, size = [], [], 0
        if lines:
            yield b"\n".join(lines) + b"\n", texts, len(lines)

    def _chunks(self, query: str) -> Iterator[bytes]:
        for chunk, _, _ in self._batches(query):
            yield chunk

    def _changed(self, table: Table, number: int) -> str:
        return self._joined(table, f"main.{quote_sqlite(table.name)}", f"up_{number}")

    def _was(self, old: Table, number: int) -> str:
        """The old rows that changed or went, under the alias n."""
        identities = f"(SELECT * FROM temp.up_{number} UNION ALL SELECT * FROM temp.gone_{number})"
        return self._joined(old, f"shadow.{quote_sqlite(old.name)}", identities)

    def _joined(self, table: Table, relation: str, identities: str) -> str:
        # CROSS JOIN keeps SQLite's planner from scanning the table (optoverview.html, section 7.2).
        conditions = [f"{name} = c.k{i}" for i, name in enumerate(self._identity(table, "n"))]
        source = identities if identities.startswith("(") else f"temp.{identities}"
        return f"{source} c CROSS JOIN {relation} n ON {' AND '.join(conditions)}"

    def _identity(self, table: Table, alias: str) -> list[str]:
        if table.without_rowid:
            return [f"{alias}.{quote_sqlite(column.name)}" for column in table.key_columns]
        return [f"{alias}.{quote_sqlite(str(table.rowid_alias))}"]

    def _match(self, table: Table, old: Table) -> str:
        pairs = zip(self._identity(table, "n"), self._identity(old, "o"), strict=True)
        return " AND ".join(f"{new} = {was}" for new, was in pairs)

    def _number(self, query: str) -> int:
        return int(self.connection.execute(query).fetchone()[0])


def _private(path: Path | None) -> str:
    return f"file:{quote(str(path))}?mode=ro&immutable=1"


def _named(names: list[str]) -> str:
    return ", ".join(f"{name} AS k{i}" for i, name in enumerate(names))


def _postgres_can_hold(chunk: bytes) -> bool:
    if b"\0" in chunk:
        return False
    try:
        chunk.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
