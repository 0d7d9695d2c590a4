"""A snapshot and its shadow, of which nothing is believed that is not what was once written there.

What is read for a comparison is checked before SQLite reads it: the pages of a table's tree (with its overflow pages and its
indexes) in the ranges that are compared, or the whole file where that is less work.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

from backup.btree import (
    HIGHEST,
    INDEX_INTERIOR,
    INDEX_LEAF,
    INTERIOR,
    LEAF,
    LOWEST,
    Pages,
    Place,
    Ranges,
    Unclear,
    cells_of,
    index_children,
    merged,
    varint,
)
from backup.sums import Sums
from mirror.lines import RANGE_BITS

EVERYTHING: Ranges = ((LOWEST, HIGHEST),)

# A tree of more pages than this is not walked in Python: checking the whole file is faster then.
_MOST_WALKED = 1000


class Soundness:
    """`files`: by the name that the connection has for it, each private file with its sums; others are believed."""

    def __init__(self, stack: ExitStack, files: Mapping[str, tuple[Path, Sums]]) -> None:
        self.files = dict(files)
        self.pages: dict[str, Pages] = {}
        self.done: set[tuple[str, tuple[int, ...], Ranges]] = set()
        for database, (path, sums) in files.items():
            try:
                self.pages[database] = Pages(path, sums)
            except Unclear:
                self.check_file(database)
            else:
                stack.callback(self.pages[database].close)

    def require(self, database: str, roots: tuple[int, ...], ranges: Ranges = EVERYTHING) -> None:
        """Raises Damaged where the trees at `roots` hold something else, in these ranges of rowids, than was written."""
        pages = self.pages.get(database)
        if database not in self.files or pages is None or (database, roots, ranges) in self.done:
            return
        try:
            walked = all(check_tree(pages, root, ranges, _MOST_WALKED) for root in roots)
        except Unclear:
            walked = False
        if not walked:
            self.check_file(database)
        self.done.add((database, roots, ranges))

    def check_file(self, database: str) -> None:
        """Raises Damaged unless the whole file is what was written."""
        path, sums = self.files.pop(database, (None, None))
        if path is not None and sums is not None:
            sums.check_file(path)


def require_sound_copy(path: Path, sums: Sums, whole: bool) -> None:
    """Raises Damaged unless the schema of a copy (`whole`: all of it) is what was written."""
    with ExitStack() as stack:
        soundness = Soundness(stack, {"main": (path, sums)})
        if whole:
            soundness.check_file("main")
        else:
            soundness.require("main", (1,))


def check_tree(pages: Pages, root: int, ranges: Ranges, most: int) -> bool:
    """Reads, and so checks, every page of the tree of a table or an index, with its overflow pages; of a table, those in
    which rowids of the ranges can be. False: there are more than `most`, and not all were read."""
    seen: set[int] = set()
    pending = [(root, LOWEST, HIGHEST)]
    while pending:
        number, low, high = pending.pop()
        if number in seen or not pages.has(number):
            raise Unclear(f"the tree at page {root} is broken")
        seen.add(number)
        page = pages.page(number)
        kind = page[100 if number == 1 else 0]
        if kind == INTERIOR:
            children = pages.children(number, Place(kind, low, high))
            pending += [child for child in children if _meet(ranges, child[1], child[2])]
        elif kind == INDEX_INTERIOR:
            pending += [(child, low, high) for child in index_children(page, number)]
        elif kind not in (LEAF, INDEX_LEAF):
            raise Unclear(f"page {number} is in no tree")
        for start, size in _spilled(pages, page, number, kind):
            if size // pages.usable > most:
                return False
            pages.chain(start, size, seen)
        if len(seen) > most:
            return False
    return True


def ranges_around(ranges: Ranges) -> Ranges:
    """The ranges in which content is hashed that these have a part of: they are read whole."""
    return merged((low >> RANGE_BITS << RANGE_BITS, high | ((1 << RANGE_BITS) - 1)) for low, high in ranges)


def _spilled(pages: Pages, page: bytes, number: int, kind: int) -> Iterator[tuple[int, int]]:
    """The first overflow page of each cell that has one, with how many bytes are there and after it."""
    if kind == INTERIOR:
        return
    most = pages.usable - 35 if kind == LEAF else (pages.usable - 12) * 64 // 255 - 23
    for cell in cells_of(page, number, kind):
        if page[cell] < 0x80 and page[cell] <= most:
            continue
        size, at = varint(page, cell)
        if size <= most:
            continue
        if kind == LEAF:
            _, at = varint(page, at)
        local = pages.local(size, most)
        yield int.from_bytes(page[at + local : at + local + 4], "big"), size - local


def _meet(ranges: Ranges, low: int, high: int) -> bool:
    """Whether one of the ranges has something of `low` to `high`."""
    at = bisect_left(ranges, low, key=lambda one: one[1])
    return at < len(ranges) and ranges[at][0] <= high
