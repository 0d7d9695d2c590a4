"""Did somebody else change the mirror? Cheap: nothing is downloaded but a few numbers for each table.

Every table's rows are counted where they are, and those that none of our runs wrote; and its columns and its key are looked
at. What is conspicuous is then compared exactly, in the target, with what was mirrored (settle.py).
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mirror.catalog import CatalogDatabase, CatalogTable, State
from mirror.mapping import MirrorTable
from mirror.ours import written_by_others
from mirror.target import reading


@dataclass(frozen=True)
class Suspect:
    """A table that may be another than it was mirrored. `shape`: it has its columns and its key; `missing`: it is gone."""

    table: CatalogTable
    rows: int
    foreign: int  # rows that somebody else wrote
    shape: bool = True
    missing: bool = False


@dataclass(frozen=True)
class Look:
    """`doubtful`: the conspicuous tables by database file, as the target was at one instant.

    `before`: whatever was committed by an older transaction than this was seen. `others`: the transactions, as xmin shows
    them, that wrote the foreign rows of each database; all that they did was seen. `loaded`: it was loaded from a dump.
    """

    before: int
    others: dict[str, frozenset[int]]
    doubtful: dict[str, tuple[Suspect, ...]]
    loaded: bool


def suspects(connection: Connection, state: State) -> Look:
    """A look at every table of the source."""
    found: dict[str, tuple[Suspect, ...]] = {}
    others: dict[str, frozenset[int]] = {}
    with reading(connection) as cursor:
        cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
        [(before,)] = cursor.fetchall()
        loaded = _loaded_from_a_dump(cursor, state)
        for database in state.databases:
            tables = look(cursor, database)
            doubtful = tuple(table for table in tables if conspicuous(table) or (loaded and table.rows))
            if doubtful:
                found[database.file] = doubtful
                written = [_others(cursor, database, table) for table in doubtful if table.foreign]
                others[database.file] = frozenset[int]().union(*written)
    return Look(int(before), others, found, loaded)


def look(cursor: Cursor, database: CatalogDatabase) -> tuple[Suspect, ...]:
    """Every table of the database as it is in the target."""
    shapes = _shapes(cursor, database.schema_name)
    there = [table for table in database.tables if shapes.get(table.mirror.mirror_name) == _shape(table.mirror)]
    counted = _count(cursor, database, there)
    return tuple(
        Suspect(table, *counted[table.id])
        if table.id in counted
        else Suspect(table, 0, 0, shape=False, missing=table.mirror.mirror_name not in shapes)
        for table in database.tables
    )


def changed_documents(connection: Connection, state: State) -> tuple[str, ...]:
    """The documents whose bytes in the target are not those that were mirrored."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT encode(sha256, 'hex') FROM sidemirror.document_contents WHERE source_id = %s "
            "AND encode(sha256, 'hex') = ANY (%s) AND list_sha256 = sidemirror.list_sha256(chunks, exact => true)",
            (state.source_id, [document.sha256 for document in state.documents]),
        )
        right = {sha256 for (sha256,) in cursor.fetchall()}
    return tuple(document.file for document in state.documents if document.sha256 not in right)


def checked(connection: Connection, state: State, seen: Look, changed: Collection[str] = ()) -> None:
    """Remembers that what was seen is what was mirrored, but for the files `changed`: who wrote it is of no interest now.

    `before` alone is not enough: it stays behind for as long as any old transaction is open in the server.
    """
    if changed and seen.loaded:
        return
    values = {
        "source": state.source_id,
        "before": seen.before,
        "changed": list(changed),
        "others": sorted(frozenset[int]().union(*(ours for file, ours in seen.others.items() if file not in changed))),
    }
    all_of_them = (
        "UPDATE sidemirror.sources SET checked_from = (%(before)s)::text::xid8, "
        "checked_in = 'sidemirror.sources'::regclass::oid WHERE id = %(source)s; "
        "UPDATE sidemirror.databases SET checked_from = NULL WHERE source_id = %(source)s AND checked_from IS NOT NULL; "
    )
    but_for_the_changed = (
        "UPDATE sidemirror.databases SET checked_from = (%(before)s)::text::xid8 "
        "WHERE source_id = %(source)s AND dropped_run IS NULL AND file <> ALL (%(changed)s); "
    )
    with connection.cursor() as cursor:
        needed = [
            relation
            for database in state.databases
            if database.file in changed
            for relation in _there(cursor, database)
        ]
        no_row = sql.SQL("").join(
            sql.SQL(" AND NOT EXISTS (SELECT 1 FROM {} AS m WHERE m.xmin::text::bigint = w.low)").format(relation)
            for relation in needed
        )
        cursor.execute(
            sql.SQL(but_for_the_changed if changed else all_of_them)
            + sql.SQL(
                "DELETE FROM sidemirror.writers AS w WHERE w.source_id = %(source)s AND w.xid < (%(before)s)::text::xid8"
            )
            + no_row
            + sql.SQL(
                "; INSERT INTO sidemirror.writers (source_id, low, xid) SELECT %(source)s, low, pg_current_xact_id() "
                "FROM unnest(%(others)s::bigint[]) AS low ON CONFLICT DO NOTHING"
            ),
            values,
        )


def _there(cursor: Cursor, database: CatalogDatabase) -> list[sql.Identifier]:
    """Its mirrored tables, as far as they are still there."""
    names = _shapes(cursor, database.schema_name)
    tables = [table.mirror.mirror_name for table in database.tables]
    return [sql.Identifier(database.schema_name, name) for name in tables if name in names]


def _others(cursor: Cursor, database: CatalogDatabase, suspect: Suspect) -> set[int]:
    cursor.execute(
        sql.SQL("SELECT DISTINCT m.xmin::text::bigint FROM {} AS m WHERE {}").format(
            sql.Identifier(database.schema_name, suspect.table.mirror.mirror_name),
            written_by_others("m", suspect.table.id),
        )
    )
    return {int(xid) for (xid,) in cursor.fetchall()}


def conspicuous(suspect: Suspect) -> bool:
    return not suspect.shape or bool(suspect.foreign) or suspect.rows != suspect.table.content.rows


def _loaded_from_a_dump(cursor: Cursor, state: State) -> bool:
    cursor.execute(
        "SELECT checked_in <> 'sidemirror.sources'::regclass::oid "
        "OR checked_from > pg_snapshot_xmax(pg_current_snapshot()) FROM sidemirror.sources WHERE id = %s",
        (state.source_id,),
    )
    return cursor.fetchall() == [(True,)]


def _count(cursor: Cursor, database: CatalogDatabase, tables: list[CatalogTable]) -> dict[int, tuple[int, int]]:
    if not tables:
        return {}
    counts = [
        sql.SQL("SELECT {}, count(*), count(*) FILTER (WHERE {}) FROM {} AS m").format(
            sql.Literal(table.id),
            written_by_others("m", table.id),
            sql.Identifier(database.schema_name, table.mirror.mirror_name),
        )
        for table in tables
    ]
    cursor.execute(sql.SQL(" UNION ALL ").join(counts))
    return {int(table): (int(rows), int(foreign)) for table, rows, foreign in cursor.fetchall()}


_Shape = tuple[frozenset[tuple[str, str]], frozenset[str]]


def _shape(mirror: MirrorTable) -> _Shape:
    return frozenset(mirror.fields), frozenset(mirror.key)


def _shapes(cursor: Cursor, schema_name: str) -> dict[str, _Shape]:
    """Columns with their types, and the columns of the primary key, of each table in the schema.

    What the source dropped stands aside in its table, and is none of them.
    """
    cursor.execute(
        "SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), COALESCE(a.attnum = ANY(i.indkey), false) "
        "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped "
        "LEFT JOIN pg_index AS i ON i.indrelid = c.oid AND i.indisprimary "
        "WHERE n.nspname = %s AND c.relkind = 'r' AND NOT EXISTS (SELECT FROM sidemirror.tables AS t "
        "JOIN sidemirror.databases AS d ON d.id = t.database_id WHERE d.schema_name = n.nspname "
        "AND t.mirror_name = c.relname AND t.dropped_run IS NULL AND t.set_aside ? a.attname)",
        (schema_name,),
    )
    columns: dict[str, set[tuple[str, str]]] = {}
    keys: dict[str, set[str]] = {}
    for table, column, type_name, in_key in cursor.fetchall():
        columns.setdefault(table, set()).add((column, type_name))
        keys.setdefault(table, set()).update([column] if in_key else [])
    return {table: (frozenset(found), frozenset(keys[table])) for table, found in columns.items()}
