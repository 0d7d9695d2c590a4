"""Snapshot and shadow side by side in one SQLite connection: which rows differ, and those rows as COPY text.

Both files are private to the sidecar and nobody writes to them, which is what `immutable` needs to be right.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from backup.big_rows import big_lines
from backup.changes import TableChanged, TableCreated
from backup.hashing import Hashing
from mirror.content import TableContent, hash_rows, row_query, table_content
from mirror.expressions import register
from mirror.fits import row_differs, same_key
from mirror.mapping import KeyKind
from mirror.names import quote_sqlite
from mirror.schema import Schema, Table
from mirror.values import careful_line, is_big_row, is_plain, key_line, may_be_plain, plain_line, plain_row

CHUNK_BYTES = 256 * 1024
PLAIN_ROWS = 1000  # at most 10 kB each


class Pair:
    """`main` is the snapshot, `shadow` (where there is one of the same encoding) the shadow; `temp` holds what differs."""

    def __init__(self, snapshot: Path, schema: Schema, shadow: Path | None, shadow_schema: Schema | None) -> None:
        self.snapshot = snapshot
        self.hashing: dict[str, Hashing] = {}
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
            try:
                self.connection.execute("ATTACH ? AS shadow", (_private(shadow),))
            except sqlite3.Error:
                self.connection.close()
                raise

    def close(self) -> None:
        for hashing in self.hashing.values():
            hashing.cancel()
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
        removed = hash_rows(self.connection, row_query(old, self.encoding, self._was(old, number)))
        added = hash_rows(self.connection, row_query(table, self.encoding, self._changed(table, number)))
        return removed, added

    def hash_beside(self, table: Table) -> None:
        """Begins to hash a large table in a process of its own; `content` waits for it."""
        self.hashing[table.name] = Hashing(self.snapshot, table.name, self.encoding)

    def content(self, table: Table) -> TableContent:
        """The content of the whole table in the snapshot."""
        if table.name in self.hashing:
            return self.hashing.pop(table.name).result()
        return table_content(self.connection, table, self.encoding)

    def created(self, change: TableCreated) -> Iterator[bytes]:
        yield from self._lines(change, f"main.{quote_sqlite(change.table.name)} n")

    def upserts(self, change: TableChanged) -> Iterator[bytes]:
        yield from self._lines(change, self._changed(change.table, change.number))

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

    def _lines(self, change: TableCreated | TableChanged, rows: str) -> Iterator[bytes]:
        """Encodes plainly the rows that allow it, for as long as they do, and carefully all others."""
        table, mirror = change.table, change.mirror
        big = is_big_row(mirror)
        careful = f"SELECT {careful_line(table, mirror)} FROM {rows} WHERE NOT ({big})"
        # A UTF-16 text becomes valid UTF-8 on its way out even where it is not valid UTF-16.
        if self.encoding != "UTF-8" or not may_be_plain(mirror):
            yield from self._chunks(careful)
            yield from big_lines(self.connection, table, mirror, rows, big, self.encoding)
            return
        plain, done = plain_row(mirror), 0
        cursor = self.connection.execute(f"SELECT {plain_line(table, mirror)} FROM {rows} WHERE {plain}")
        while lines := cursor.fetchmany(PLAIN_ROWS):
            chunk = b"\n".join([line for (line,) in lines]) + b"\n"
            if not is_plain(chunk, len(lines), len(mirror.fields)):
                yield from self._chunks(f"{careful} AND {plain} LIMIT -1 OFFSET {done}")
                break
            done += len(lines)
            yield chunk
        if done < (change.rows if isinstance(change, TableCreated) else change.upserts):
            yield from self._chunks(f"{careful} AND NOT ({plain})")
            yield from big_lines(self.connection, table, mirror, rows, big, self.encoding)

    def _chunks(self, query: str) -> Iterator[bytes]:
        """Whole lines, as many as fit a chunk; at least one."""
        lines: list[bytes] = []
        size = 0
        for (line,) in self.connection.execute(query):
            lines.append(line)
            size += len(line)
            if size >= CHUNK_BYTES:
                yield b"\n".join(lines) + b"\n"
                lines, size = [], 0
        if lines:
            yield b"\n".join(lines) + b"\n"

    def _changed(self, table: Table, number: int) -> str:
        return self._joined(table, f"main.{quote_sqlite(table.name)}", f"up_{number}")

    def _was(self, old: Table, number: int) -> str:
        """The old rows that changed or went, under the alias n."""
        identities = f"(SELECT * FROM temp.up_{number} UNION ALL SELECT * FROM temp.gone_{number})"
        return self._joined(old, f"shadow.{quote_sqlite(old.name)}", identities)

    def _joined(self, table: Table, relation: str, identities: str) -> str:
        # CROSS JOIN keeps SQLite's planner from scanning the table (optoverview.html, section 7.2).
        conditions = _equal(table, self._identity(table, "n"), [f"c.k{i}" for i in range(len(table.columns))])
        source = identities if identities.startswith("(") else f"temp.{identities}"
        return f"{source} c CROSS JOIN {relation} n ON {conditions}"

    def _identity(self, table: Table, alias: str) -> list[str]:
        if table.without_rowid:
            return [f"{alias}.{quote_sqlite(column.name)}" for column in table.key_columns]
        return [f"{alias}.{quote_sqlite(str(table.rowid_alias))}"]

    def _match(self, table: Table, old: Table) -> str:
        return _equal(table, self._identity(table, "n"), self._identity(old, "o"))

    def _number(self, query: str) -> int:
        return int(self.connection.execute(query).fetchone()[0])


def _private(path: Path | None) -> str:
    return f"file:{quote(str(path))}?mode=ro&immutable=1"


def _equal(table: Table, names: list[str], others: list[str]) -> str:
    """Two identities are the same: by the key's own collations, which need not be those of its columns."""
    if not table.without_rowid:
        return f"{names[0]} = {others[0]}"
    collations = [quote_sqlite(column.key_collation) for column in table.key_columns]
    pairs = zip(names, others, collations, strict=False)
    return " AND ".join(f"{name} = {other} COLLATE {collation}" for name, other, collation in pairs)


def _named(names: list[str]) -> str:
    return ", ".join(f"{name} AS k{i}" for i, name in enumerate(names))
