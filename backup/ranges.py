"""From changed pages to the rowids that can have changed. Level 3 of the design's comparison.

Why nothing is missed: a row is found by going down from its table's root. As long as the pages on the way are the same in
both files, so is the way. Where the first page on the way differs, it is a leaf, and its whole range is named here; or an
inner page, and the ranges of all children that are not children of it in both files are named, so that for a row outside
of them the way goes on to the same child. A row whose leaf is the same in both can still differ in its overflow pages: a
changed one that belongs to no leaf looked at here is traced to its row by dbstat, which reads the whole file.
"""

from __future__ import annotations

from collections.abc import Iterable

from backup.btree import INDEX_INTERIOR, INDEX_LEAF, INTERIOR, LEAF, Pages, Place, Ranges, Unclear, merged
from backup.pair import Pair
from mirror.schema import Table

# From this page on, the first byte of an overflow page's pointer could be taken for the kind of a b-tree page.
_MOST_PAGES = 1 << 25


def changed_ranges(pair: Pair, was: Pages, now: Pages, changed: frozenset[int]) -> dict[str, Ranges]:
    """The ranges of rowids outside of which a table has no difference; a table that is not named is to be compared whole.

    `changed`: every page in which the two files differ. Raises Unclear when a page cannot be understood.
    """
    if max(was.count, now.count) >= _MOST_PAGES or (was.size, was.usable) != (now.size, now.usable):
        raise Unclear("too many pages, or of another size")
    tables = dict(_followed(pair))
    of_rowid = {table.name: root for table, root in tables.items() if not table.without_rowid}
    marks: dict[str, list[tuple[int, int]]] = {name: [] for name in of_rowid}
    suspected = _suspected(was, now, changed)
    seen: set[int] = set()
    for number in changed - {1}:  # the root of sqlite_schema, which is read whole
        for name, root in of_rowid.items():
            before = was.find(root, number) if was.has(number) else None
            after = now.find(root, number) if now.has(number) else None
            if before or after:
                marks[name] += _mark(was, now, number, before, after)
            seen |= _overflow(now, number, after)
            if suspected:
                seen |= _overflow(was, number, before)
    whole = _trace(pair, was, now, suspected - seen, of_rowid, marks)
    for table, root in tables.items():
        if table.without_rowid and table.name not in whole and _index_unchanged(was, now, root, changed):
            marks[table.name] = []
    return {name: merged(ranges) for name, ranges in marks.items() if name not in whole}


def _followed(pair: Pair) -> Iterable[tuple[Table, int]]:
    """Tables that have the same root and the same definition in both files."""
    was, now = pair.roots("shadow"), pair.roots("main")
    for table in pair.schema.tables:
        if table.name in now and was.get(table.name) == now[table.name]:
            yield table, now[table.name][0]


def _mark(was: Pages, now: Pages, number: int, before: Place | None, after: Place | None) -> list[tuple[int, int]]:
    if before == after and before is not None and before.kind == INTERIOR:
        different = was.children(number, before) ^ now.children(number, before)
        return [(low, high) for _, low, high in different]
    return [(place.low, place.high) for place in (before, after) if place is not None]


def _overflow(pages: Pages, number: int, place: Place | None) -> set[int]:
    return pages.overflow(number, place) if place is not None and place.kind == LEAF else set()


def _suspected(was: Pages, now: Pages, changed: frozenset[int]) -> set[int]:
    """Pages that can have been overflow pages before, and can be now."""
    return {
        number
        for number in changed
        if was.has(number) and now.has(number) and number > 1
        and was.first_byte(number) < INDEX_INTERIOR and now.first_byte(number) < INDEX_INTERIOR
        and not now.is_special(number)
    }  # fmt: skip


def _trace(
    pair: Pair,
    was: Pages,
    now: Pages,
    pages: set[int],
    roots: dict[str, int],
    marks: dict[str, list[tuple[int, int]]],
) -> set[str]:
    """Marks the rows of changed overflow pages whose leaf has not changed; gives the tables that cannot be followed.

    Such a page was an overflow page of that row before, and still is: it is on no freelist, then or now.
    """
    if pages:
        pages = pages.difference(was.free(), now.free())
    whole: set[str] = set()
    for name, leaf in pair.rows_with_overflow(pages):
        if name not in roots:
            whole.add(name)  # an index, which is nothing to us, or a WITHOUT ROWID table
            continue
        place = now.find(roots[name], leaf)
        if place is None:
            raise Unclear(f"page {leaf} is not where dbstat says")
        marks[name].append((place.low, place.high))
    return whole


def _index_unchanged(was: Pages, now: Pages, root: int, changed: frozenset[int]) -> bool:
    kinds = {pages.first_byte(number) for pages in (was, now) for number in changed if pages.has(number)}
    if not kinds & {INDEX_INTERIOR, INDEX_LEAF}:
        return True
    return changed.isdisjoint(now.index_tree(root))
