"""A table with another name or other columns than at the last run: the way on for its mirror, and the rows that differ."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from backup.changes import TableChanged
from backup.pair import Pair
from backup.reshape import Reshape, reshaped
from mirror.catalog import CatalogTable
from mirror.fits import fits, key_fits, row_differs
from mirror.names import postgres_name, quote_sqlite
from mirror.schema import Table
from mirror.values import careful_field, split_sent

# A column's default is looked for in so many rows from either end.
_SAMPLE = 5
_LARGEST_DEFAULT = 10_000


def compare_reshaped(
    pair: Pair, table: Table, before: CatalogTable, old: Table, number: int, taken: set[str]
) -> TableChanged | None:
    """The table's change, or None where its mirror cannot go on in this way, or most rows would be sent all the same."""
    mirror_name = before.mirror.mirror_name
    if before.mirror.name != table.name:
        mirror_name = postgres_name(table.name, taken - {mirror_name})
    if table.without_rowid:
        return None
    plan = reshaped(before, table, old, mirror_name)
    if plan is None or _stands_in_exact(pair, old, before, plan):
        return None
    rows, plan = _with_defaults(pair, table, old, plan)
    differs = row_differs(table, old, renamed=plan.columns, defaults=rows)
    upserts, gone = pair.find_changes(table, old, before.content.rows, number, differs)
    if upserts + gone > max(before.content.rows, 1) // 2:
        _forget_changes(pair, number)
        return None
    declared = plan.mirror.key_kind == "columns" and table.integer_key is None
    if upserts and declared and not pair.all_keys_fit(table, key_fits(table, plan.mirror.columns), number):
        _forget_changes(pair, number)
        return None
    content = pair.content(table)
    deletes = pair.count_deletes(table, old, plan.mirror.key_kind, number)
    return TableChanged(table, plan.mirror, before, content, upserts, deletes, number, plan)


def _stands_in_exact(pair: Pair, old: Table, before: CatalogTable, plan: Reshape) -> bool:
    """Whether a column that gets another name has values that name it in `_exact`."""
    moved = [c for c in before.mirror.columns if c.mirror_name in plan.renamed or c.mirror_name in plan.gone]
    misfit = " OR ".join(f"NOT ({fits(f'n.{quote_sqlite(c.name)}', c.type)})" for c in moved)
    return bool(moved) and _had_row(pair, old, misfit)


def _with_defaults(pair: Pair, table: Table, old: Table, plan: Reshape) -> tuple[Mapping[str, str], Reshape]:
    """For each added column the SQL of the value that the old rows have in it, and the plan with that value."""
    rows: dict[str, str] = {}
    defaults = dict(plan.defaults)
    types = {column.name: column for column in plan.mirror.columns}
    for name in plan.added:
        column = types[name]
        sample = _sample(pair, table, old, name, careful_field(f"n.{quote_sqlite(name)}", str(column.type)), _SAMPLE)
        if not sample:
            continue
        [((_, line), _)] = Counter((kind, line) for _, kind, line in sample).most_common(1)
        [text] = split_sent(line.decode("utf-8"))
        if text is not None and len(line) <= _LARGEST_DEFAULT:
            rowid = next(rowid for rowid, _, other in sample if other == line)
            rows[name] = _value(table, name, rowid)
            defaults[column.mirror_name] = text
    return rows, replace(plan, defaults=defaults)


def _had_row(pair: Pair, old: Table, condition: str) -> bool:
    """Whether the shadow has a row (alias n) that meets the condition."""
    found = pair.connection.execute(
        f"SELECT EXISTS (SELECT 1 FROM shadow.{quote_sqlite(old.name)} n WHERE {condition})"
    )
    return bool(found.fetchone()[0])


def _sample(pair: Pair, table: Table, old: Table, column: str, field: str, rows: int) -> list[tuple[int, bytes, bytes]]:
    """Rowid, class and encoded value of a column in a few rows that are in both: the first, and the last."""
    rowid, old_rowid = quote_sqlite(str(table.rowid_alias)), quote_sqlite(str(old.rowid_alias))
    ends = " UNION ".join(
        f"SELECT * FROM (SELECT {old_rowid} FROM shadow.{quote_sqlite(old.name)} ORDER BY {old_rowid} {order} LIMIT {rows})"
        for order in ("ASC", "DESC")
    )
    return pair.connection.execute(
        f"SELECT n.{rowid}, typeof(n.{quote_sqlite(column)}), CAST({field} AS TEXT) "
        f"FROM main.{quote_sqlite(table.name)} n WHERE n.{rowid} IN ({ends})"
    ).fetchall()


def _value(table: Table, column: str, rowid: int) -> str:
    """SQL for the value of one row of the snapshot."""
    alias = quote_sqlite(str(table.rowid_alias))
    return f"(SELECT v.{quote_sqlite(column)} FROM main.{quote_sqlite(table.name)} v WHERE v.{alias} = {rowid})"


def _forget_changes(pair: Pair, number: int) -> None:
    """What find_changes found is not used."""
    for name in ("up", "gone"):
        pair.connection.execute(f"DROP TABLE temp.{name}_{number}")
