"""Snapshot against shadow: the change set of one database, in SQL, by identity.

Where it is known which rowids can have changed, only those are compared (level 3 of the design), otherwise whole tables (4).
"""

from __future__ import annotations

from dataclasses import replace

from backup.btree import Ranges
from backup.changes import TableChange, TableChanged, TableCreated, TableDropped
from backup.compare_reshaped import compare_reshaped
from backup.pair import Pair
from mirror.catalog import CatalogDatabase, CatalogTable
from mirror.content import TableContent
from mirror.fits import key_fits
from mirror.mapping import MirrorTable, continued, mirror_table
from mirror.names import postgres_name
from mirror.schema import SchemaRow, Table
from mirror.stand_ins import own_collation


def compare(
    pair: Pair, known: CatalogDatabase | None, ranges: dict[str, Ranges]
) -> tuple[tuple[TableChange, ...], dict[str, TableContent]]:
    """What changed, and the content of the tables in which nothing did. `ranges`: see ranges.py.

    A table whose mirror cannot go on (another shape, or a key that Postgres cannot hold any more) is dropped and created.
    """
    known_tables = {table.mirror.name: table for table in known.tables} if known else {}
    dropped: list[TableChange] = []
    changed: list[TableChange] = []
    created: list[Table] = []
    unchanged: dict[str, TableContent] = {}
    kept_names: set[str] = set()
    names = {table.mirror.mirror_name for table in known_tables.values()}
    of = _by_name_or_shape(pair, known_tables)
    for number, table in enumerate(pair.schema.tables):
        before = of.get(table.name)
        if before is not None:
            known_tables.pop(before.mirror.name)
        change = _compare_table(pair, table, before, number, ranges.get(table.name), names) if before else None
        if before is None or change is None:
            if before is not None:
                dropped.append(TableDropped(before))
            created.append(table)
            continue
        kept_names.add(change.mirror.mirror_name)
        if change.upserts or change.deletes or change.mirror != before.mirror or change.content != before.content:
            changed.append(change)
        else:
            unchanged[table.name] = before.content
    dropped += [TableDropped(table) for table in known_tables.values()]
    return (*dropped, *changed, *_created(pair, created, kept_names)), unchanged


def _by_name_or_shape(pair: Pair, known: dict[str, CatalogTable]) -> dict[str, CatalogTable]:
    """What each table was at the last run: the one of its name, otherwise one of its shape whose name is gone."""
    found = {table.name: known[table.name] for table in pair.schema.tables if table.name in known}
    if not pair.comparable or pair.shadow_schema is None:
        return found
    left = [name for name in known if name not in found]
    for table in pair.schema.tables:
        if table.name not in found and not table.name.startswith("sqlite_"):
            olds = [old for name in left if (old := pair.shadow_schema.table(name))]
            same = [old for old in olds if replace(old, name=table.name) == table]
            same = same or [old for old in olds if _unnamed(old) == _unnamed(table)]
            if same:
                # Of several, the one with as many rows.
                rows = pair.count(table)
                found[table.name] = min((known[old.name] for old in same), key=lambda one: abs(one.content.rows - rows))
                left.remove(found[table.name].mirror.name)
    return found


def _unnamed(table: Table) -> Table:
    """Its shape without any name."""
    columns = tuple(replace(column, name="") for column in table.columns)
    return replace(table, name="", columns=columns, integer_key="" if table.integer_key is not None else None)


def _compare_table(
    pair: Pair, table: Table, before: CatalogTable, number: int, ranges: Ranges | None, taken: set[str]
) -> TableChanged | None:
    """The table's change (perhaps of nothing), or None where its mirror cannot go on. `ranges` None: anywhere."""
    mirror = continued(before.mirror, table) if before.mirror.name == table.name else None
    old = pair.shadow_schema.table(before.mirror.name) if pair.comparable and pair.shadow_schema else None
    if old is None or not (mirror == before.mirror and _same_shape(pair, table, old)):
        change = compare_reshaped(pair, table, before, old, number, taken) if old is not None else None
        if change is not None:
            return change
    if mirror is None or old is None or not _same_shape(pair, table, old):
        return None
    if before.used_names & {column.mirror_name for column in mirror.columns[len(before.mirror.columns) :]}:
        return None  # a name must not come to mean a second column
    if ranges is None or table != old:
        upserts, gone = pair.find_changes(table, old, before.content.rows, number)
    else:
        upserts, gone = pair.find_changes_in(table, old, ranges, number) if ranges else (0, 0)
    declared = mirror.key_kind == "columns" and table.integer_key is None
    if upserts and declared and not pair.all_keys_fit(table, key_fits(table, mirror.columns), number):
        return None
    if not upserts and not gone:
        content = before.content if mirror == before.mirror else pair.content(table)
        return TableChanged(table, mirror, before, content, 0, 0, number)
    if len(mirror.columns) > len(before.mirror.columns):
        content = pair.content(table)
    else:
        content = pair.content_after(table, old, before.content, number)
    deletes = pair.count_deletes(table, old, mirror.key_kind, number)
    return TableChanged(table, mirror, before, content, upserts, deletes, number)


def _same_shape(pair: Pair, table: Table, old: Table) -> bool:
    """Whether rows can be matched one to one, and generated values still follow from the stored ones."""
    if (old.without_rowid, old.integer_key, old.key_columns) != (
        table.without_rowid,
        table.integer_key,
        table.key_columns,
    ):
        return False
    if not any(column.generated for column in table.columns):
        return True
    assert pair.shadow_schema is not None
    return _sql(pair.shadow_schema.rows, table.name) == _sql(pair.schema.rows, table.name)


def _sql(rows: tuple[SchemaRow, ...], name: str) -> str | None:
    return next((row.sql for row in rows if row.type == "table" and row.name == name), None)


def _created(pair: Pair, tables: list[Table], taken: set[str]) -> list[TableCreated]:
    created = []
    for table in tables:
        name = postgres_name(table.name, taken)
        taken.add(name)
        rows = pair.count(table)
        created.append(TableCreated(table, _new_mirror(pair, table, name), rows))
    return created


def _new_mirror(pair: Pair, table: Table, name: str) -> MirrorTable:
    mirror = mirror_table(table, name, key_fits=True)
    declared = mirror.key_kind == "columns" and table.integer_key is None
    if declared and (_own_order(table) or not pair.all_keys_fit(table, key_fits(table, mirror.columns))):
        return mirror_table(table, name, key_fits=False)
    return mirror


def _own_order(table: Table) -> bool:
    """Whether its key is in an order of the bot's own, so that no row is found by it here."""
    return any(own_collation(column.key_collation) for column in table.key_columns)
