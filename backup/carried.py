"""The content of ranges of rowids as they were and as they are: what a run takes from a table's content, and adds to it.

A range is hashed whole, so one changed row costs all of its range, twice. Where few rows of it changed, it is encoded once:
its lines as they were are its lines of now with the changed rows put back.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mirror.content import TableContent
from mirror.lines import Lines, bounds

# To put a row back is a query of its own. Beyond so many of the 512, the whole range is read from the shadow as well.
FEW_ROWS = 50


def before_and_after(
    was: Lines, now: Lines, changed: Iterable[tuple[int, Sequence[int]]]
) -> tuple[TableContent, TableContent]:
    """`changed`: the ranges in which rows differ, each with the rowids of all that do."""
    removed = added = TableContent()
    for number, rowids in changed:
        known = _put_back(was, now, number, rowids) if was.mirror == now.mirror and len(rowids) <= FEW_ROWS else None
        before, after = known or (was.of_range(number), now.of_range(number))
        removed, added = removed.plus(before), added.plus(after)
    return removed, added


def _put_back(was: Lines, now: Lines, number: int, rowids: Sequence[int]) -> tuple[TableContent, TableContent] | None:
    """None where a row of the range needs care."""
    lines = now.plain_lines(*bounds(number))
    after = now.of_plain(lines) if lines is not None else None
    if lines is None or after is None:
        return None
    for rowid in rowids:
        found = was.plain_lines(rowid, rowid)
        if found is None:
            return None
        lines.pop(rowid, None)
        lines.update(found)
    before = was.of_plain(lines)
    return (before, after) if before is not None else None
