"""Snapshot and shadow side by side in one SQLite connection: which rows differ, and those rows as COPY text. Both files are
private to the sidecar and nobody writes to them, which is what `immutable` needs to be right."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby
from operator import itemgetter
from pathlib import Path
from urllib.parse import quote

from backup.btree import Ranges
from backup.carried import before_and_after
from backup.changes import TableChanged
from backup.soundness import EVERYTHING, Soundness, ranges_around
from mirror.content import TableContent
from mirror.expressions import register
from mirror.fits import row_differs, same_key
from mirror.lines import RANGE_BITS, Lines, hashed_as, table_content
from mirror.mapping import KeyKind
from mirror.names import quote_sqlite
from mirror.part import SEQUENCE
from mirror.schema import Schema, Table
from mirror.stand_ins import StandIns, closed_on_error, stand_in_for_collations
from mirror.temp_files import spill_beside
from mirror.values import key_line


class Pair:
    """`main` is the snapshot, `shadow` (where there is one of the same encoding) the shadow; `temp` holds what differs.

    With `soundness`, everything here raises Damaged before it reads what is not as it was written.
    """

    def __init__(
        self,
        snapshot: Path,
        schema: Schema,
        shadow: Path | None,
        shadow_schema: Schema | None,
        soundness: Soundness | None = None,
    ) -> None:
        self.soundness, self.snapshot = soundness, snapshot
        self.schema = schema
        self.shadow_schema = shadow_schema
        self.encoding = schema.pragmas.encoding
        self.connection = opened(snapshot, self.encoding)
        # https://www.sqlite.org/lang_attach.html: attached databases must use the same text encoding.
        self.comparable = (
            shadow is not None and shadow_schema is not None and shadow_schema.pragmas.encoding == self.encoding
        )
        if self.comparable:
            with closed_on_error(self.connection):
                self.connection.execute("ATTACH ? AS shadow", (_private(shadow),))
                StandIns(self.connection).declared_collations("shadow")

    def close(self) -> None:
        self.connection.close()

    def require_sound(self, database: str, name: str, ranges: Ranges = EVERYTHING) -> None:
        """Raises Damaged where the table (with its indexes; or only these ranges of it) is not what was written."""
        if self.soundness is not None:
            roots = self.connection.execute(
                f"SELECT type, rootpage FROM {database}.sqlite_schema WHERE tbl_name = ? AND rootpage > 0", (name,)
            ).fetchall()
            whole = ranges is EVERYTHING
            self.soundness.require(database, tuple(root for kind, root in roots if whole or kind == b"table"), ranges)

    def count(self, table: Table) -> int:
        """Rows in the snapshot."""
        self.require_sound("main", table.name)
        return self._number(f"SELECT count(*) FROM main.{quote_sqlite(table.name)} NOT INDEXED")

    def all_keys_fit(self, table: Table, condition: str, number: int | None = None) -> bool:
        """Whether every row (with `number`: every changed row) meets the condition on its key."""
        return not self._number(f"SELECT EXISTS (SELECT 1 FROM {self._rows(table, number)} WHERE NOT ({condition}))")

    def roots(self, database: str) -> dict[str, tuple[int, str]]:
        """The root page and the SQL of each table of `database` (main or shadow)."""
        rows = self.connection.execute(f"SELECT name, rootpage, sql FROM {database}.sqlite_schema WHERE type = 'table'")
        return {name.decode(): (root, sql.decode()) for name, root, sql in rows if root}

    def rows_with_overflow(self, pages: set[int]) -> Iterator[tuple[str, int]]:
        """For each of these overflow pages of the snapshot, its b-tree and the page that points to its chain."""
        if not pages:
            return
        stat = f"SELECT name, path FROM temp.dbstat WHERE schema = 'main' AND pageno IN ({', '.join(map(str, pages))})"
        # https://www.sqlite.org/dbstat.html: /1c2/000+000000 is in the chain of the first cell of the page /1c2/.
        owners = {
            (name.decode(), f"{path.decode().rpartition('/')[0]}/")
            for name, path in self.connection.execute(stat)
            if b"+" in path
        }
        self.connection.execute("CREATE TABLE temp.owners (name, path)")
        self.connection.executemany("INSERT INTO temp.owners VALUES (?, ?)", owners)
        rows = self.connection.execute(
            "SELECT s.name, s.pageno FROM temp.dbstat AS s WHERE s.schema = 'main' "
            "AND (s.name, s.path) IN (SELECT name, path FROM temp.owners)"
        ).fetchall()
        if len(rows) != len(owners):
            raise sqlite3.DatabaseError("dbstat names chains of overflow pages without the pages that they hang on")
        yield from ((name.decode(), page) for name, page in rows)

    def find_changes_in(self, table: Table, old: Table, ranges: Ranges, number: int) -> tuple[int, int]:
        """As find_changes, where it is known that no rowid outside of these ranges has changed."""
        rowid, old_rowid = self._identity(table, "n")[0], self._identity(old, "o")[0]
        new_name, old_name = f"main.{quote_sqlite(table.name)}", f"shadow.{quote_sqlite(old.name)}"
        for database, which in (("main", table), ("shadow", old)):
            self.require_sound(database, which.name, ranges_around(ranges))
        execute = self.connection.execute
        execute(f"CREATE TEMP TABLE ranges_{number} (low INTEGER, high INTEGER)")
        self.connection.executemany(f"INSERT INTO temp.ranges_{number} VALUES (?, ?)", ranges)
        # CROSS JOIN keeps the ranges outside (optoverview.html, section 7.2).
        execute(
            f"CREATE TEMP TABLE up_{number} AS SELECT {rowid} AS k0 FROM temp.ranges_{number} r "
            f"CROSS JOIN {new_name} n NOT INDEXED ON {rowid} BETWEEN r.low AND r.high "
            f"LEFT JOIN {old_name} o NOT INDEXED ON {rowid} = {old_rowid} "
            f"WHERE {old_rowid} IS NULL OR {row_differs(table, old)}"
        )
        execute(
            f"CREATE TEMP TABLE gone_{number} AS SELECT {old_rowid} AS k0 FROM temp.ranges_{number} r "
            f"CROSS JOIN {old_name} o NOT INDEXED ON {old_rowid} BETWEEN r.low AND r.high "
            f"WHERE NOT EXISTS (SELECT 1 FROM {new_name} n WHERE {rowid} = {old_rowid})"
        )
        return tuple(self._number(f"SELECT count(*) FROM temp.{name}_{number}") for name in ("up", "gone"))  # type: ignore[return-value]

    def find_changes(self, table: Table, old: Table, old_rows: int, number: int, differs: str = "") -> tuple[int, int]:
        """Fills temp.up_N and temp.gone_N with the row identities that differ; gives how many of each there are.

        up: rows that are new, or whose values, classes or (where visible) rowid differ. gone: rows that are no more.
        A row's identity is its rowid, or the PRIMARY KEY in a WITHOUT ROWID table. `differs`: in place of row_differs.
        """
        new_name, old_name = f"main.{quote_sqlite(table.name)}", f"shadow.{quote_sqlite(old.name)}"
        for database, which in (("main", table), ("shadow", old)):
            self.require_sound(database, which.name)
        identity = self._identity(table, "n")
        match = self._match(table, old)
        missing = f"{self._identity(old, 'o')[0]} IS NULL"
        execute = self.connection.execute
        execute(
            f"CREATE TEMP TABLE up_{number} AS SELECT {_named(identity)} FROM {new_name} n NOT INDEXED "
            f"LEFT JOIN {old_name} o NOT INDEXED ON {match} WHERE {missing} OR {differs or row_differs(table, old)}"
        )
        inserted = self._number(
            f"SELECT count(*) FROM {self._changed(table, number)} WHERE NOT EXISTS "
            f"(SELECT 1 FROM {old_name} o NOT INDEXED WHERE {match})"
        )
        upserts = self._number(f"SELECT count(*) FROM temp.up_{number}")
        execute(
            f"CREATE TEMP TABLE gone_{number} AS SELECT {_named(self._identity(old, 'o'))} FROM {old_name} o WHERE false"
        )
        gone = old_rows + inserted - self.count(table)
        if gone:
            execute(
                f"INSERT INTO temp.gone_{number} SELECT {', '.join(self._identity(old, 'o'))} FROM {old_name} o NOT INDEXED "
                f"WHERE NOT EXISTS (SELECT 1 FROM {new_name} n NOT INDEXED WHERE {match})"
            )
        return upserts, self._number(f"SELECT count(*) FROM temp.gone_{number}")

    def has_row(self, table: Table, condition: str, number: int | None = None) -> bool:
        """Whether the snapshot (with `number`: a changed row of it) has a row (alias n) that meets the condition."""
        return bool(self._number(f"SELECT EXISTS (SELECT 1 FROM {self._rows(table, number)} WHERE {condition})"))

    def made_bytes(self, table: Table, number: int | None = None) -> int:  # of the generated values in those rows
        names = [f"total(octet_length(n.{quote_sqlite(column.name)}))" for column in table.columns if column.generated]
        return self._number(f"SELECT {' + '.join(names)} FROM {self._rows(table, number)}")

    def content(self, table: Table) -> TableContent:
        """The content of the whole table in the snapshot."""
        self.require_sound("main", table.name)
        return table_content(self.connection, "main", table, self.encoding)

    def content_after(self, table: Table, old: Table, before: TableContent, number: int) -> TableContent:
        """The content of the table in the snapshot, carried forward from what the shadow has by what differs."""
        was, now = (
            Lines(self.connection, database, which, hashed_as(which), self.encoding)
            for database, which in (("shadow", old), ("main", table))
        )
        if table.without_rowid:
            removed = _sum(content for _, content in was.others(self._was(old, number), "1"))
            added = _sum(content for _, content in now.others(self._changed(table, number), "1"))
            return before.minus(removed).plus(added)
        changed = f"(SELECT k0 FROM temp.up_{number} UNION ALL SELECT k0 FROM temp.gone_{number})"
        if self._number(f"SELECT count(DISTINCT k0 >> {RANGE_BITS}) FROM {changed}") << RANGE_BITS > before.rows:
            return self.content(table)
        rowids = self.connection.execute(f"SELECT k0 >> {RANGE_BITS}, k0 FROM {changed} ORDER BY k0")
        ranges = ((place, [rowid for _, rowid in some]) for place, some in groupby(rowids, itemgetter(0)))
        removed, added = before_and_after(was, now, ranges)
        return before.minus(removed).plus(added)

    def upserts(self, change: TableChanged) -> Iterator[bytes]:
        lines = Lines(self.connection, "main", change.table, change.mirror, self.encoding)
        for piece, _ in lines.some(self._changed(change.table, change.number), change.upserts):
            yield piece

    def deletes(self, change: TableChanged) -> Iterator[bytes]:
        old = self._old(change.known.mirror.name)
        cursor = self.connection.execute(f"SELECT {key_line(old, change.known.mirror)} {self._deleted(change)}")
        while lines := cursor.fetchmany(1000):
            yield b"".join([line + b"\n" for (line,) in lines])

    def count_deletes(self, table: Table, old: Table, key_kind: KeyKind, number: int) -> int:
        return self._number(f"SELECT count(*) {self._deleted_rows(table, old, key_kind, number)}")

    def counter_went_back(self) -> bool:
        """Whether an AUTOINCREMENT counter is lower than in the shadow (https://www.sqlite.org/autoinc.html)."""
        both = self.comparable and self.shadow_schema and self.shadow_schema.table(SEQUENCE)
        return bool(
            both
            and self.schema.table(SEQUENCE)
            and self._number(
                f"SELECT EXISTS (SELECT 1 FROM shadow.{SEQUENCE} o JOIN main.{SEQUENCE} n ON n.name = o.name "
                "WHERE n.seq < o.seq)"
            )
        )

    def _rows(self, table: Table, number: int | None) -> str:
        return f"main.{quote_sqlite(table.name)} n NOT INDEXED" if number is None else self._changed(table, number)

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


def opened(path: Path, encoding: str) -> sqlite3.Connection:
    """To a private copy; it gives text as bytes and has the functions of our SQL."""
    connection = sqlite3.connect(_private(path), uri=True, isolation_level=None)
    with closed_on_error(connection):
        connection.text_factory = bytes
        register(connection, encoding)
        stand_in_for_collations(connection)
        spill_beside(connection, path)
    return connection


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


def _sum(contents: Iterable[TableContent]) -> TableContent:
    total = TableContent()
    for content in contents:
        total = total.plus(content)
    return total
