"""Table b-trees as they lie in a file: whose page is this, and which rowids can it hold?

Everything is from https://www.sqlite.org/fileformat2.html. Only private files at rest are read here. What is not as that
page says is `Unclear`, and then SQLite itself looks at everything: nothing is decided on a page that is not understood.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from backup.sums import Damaged, Sums

INTERIOR, LEAF = 5, 13
INDEX_INTERIOR, INDEX_LEAF = 2, 10
LOWEST, HIGHEST = -(1 << 63), (1 << 63) - 1
_DEEPEST = 40  # levels; SQLite itself stops at 20

# Rowids from the first to the second, both included; apart from each other, in order.
Ranges = tuple[tuple[int, int], ...]


def merged(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The same numbers in ranges that are apart, in order."""
    found: list[tuple[int, int]] = []
    for low, high in sorted(ranges):
        if found and low <= found[-1][1] + 1:
            found[-1] = (found[-1][0], max(found[-1][1], high))
        else:
            found.append((low, high))
    return tuple(found)


class Unclear(Exception):
    """A page is not what it should be here."""


@dataclass(frozen=True)
class Place:
    """A page in a table's tree: the rowids that can be in it or below it, both ends included."""

    kind: int
    low: int
    high: int


class Pages:
    """The pages of one file. With `sums`, each is checked when it is first read; then everything here raises Damaged."""

    def __init__(self, path: Path, sums: Sums | None = None) -> None:
        with path.open("rb") as file:
            if path.stat().st_size < 512:
                raise Unclear(f"{path.name} is too short")
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        size = int.from_bytes(self.data[16:18], "big")
        self.size = 65536 if size == 1 else size
        if self.size < 512:
            raise Unclear(f"{path.name} has no page size")
        self.usable = self.size - self.data[20]
        self.count = len(self.data) // self.size
        self.auto_vacuum = any(self.data[52:56])
        self.name, self.sums = path.name, sums
        self.unread = bytearray(b"\1") * (self.count + 1) if sums else None
        if sums and (sums.page_size, len(sums.values)) != (self.size, self.count):
            raise Damaged(f"{path.name} has another size than when it was written: a bad disk?")

    def close(self) -> None:
        self.data.close()

    def has(self, number: int) -> bool:
        return 1 <= number <= self.count

    def page(self, number: int) -> bytes:
        if not self.has(number):
            raise Unclear(f"there is no page {number}")
        page = self.data[(number - 1) * self.size : number * self.size]
        if self.sums and self.unread and self.unread[number]:
            self.sums.check(number, page, self.name)
            self.unread[number] = 0
        return page

    def first_byte(self, number: int) -> int:
        """The kind of a b-tree page; anything for another one."""
        if self.unread and self.unread[number]:
            self.page(number)
        return self.data[(number - 1) * self.size + (100 if number == 1 else 0)]

    def is_special(self, number: int) -> bool:
        """A page that holds nothing of a table: the one at the lock bytes, or one that maps pointers."""
        lock_page = (1 << 30) // self.size + 1
        if number == lock_page:
            return True
        if not self.auto_vacuum or number < 2:
            return False
        # As ptrmapPageno in btree.c.
        group = self.usable // 5 + 1
        at = (number - 2) // group * group + 2
        return number == (at + 1 if at == lock_page else at)

    def find(self, root: int, number: int) -> Place | None:
        """Where a page stands in the tree at `root`, or None: it is not an inner or leaf page of that tree."""
        kind = self.first_byte(number)
        if kind not in (INTERIOR, LEAF):
            return None
        if number == root:
            return Place(kind, LOWEST, HIGHEST)
        page = self.page(number)
        offset = 100 if number == 1 else 0
        if int.from_bytes(page[offset + 3 : offset + 5], "big") == 0:
            if kind == INTERIOR:
                raise Unclear(f"inner page {number} has no cells")
            return None
        at, low, high = root, LOWEST, HIGHEST
        key = _key(page, kind, 0, offset)
        for _ in range(_DEEPEST):
            if self.first_byte(at) != INTERIOR:
                return None
            at, low, high = self._step(at, key, low, high)
            if at == number:
                return Place(kind, low, high)
        raise Unclear(f"the tree at page {root} has no end")

    def _step(self, number: int, key: int, low: int, high: int) -> tuple[int, int, int]:
        """The child in which a rowid would be, with its bounds."""
        page = self.page(number)
        offset = 100 if number == 1 else 0
        count = int.from_bytes(page[offset + 3 : offset + 5], "big")
        first, last = 0, count
        while first < last:
            middle = (first + last) // 2
            if key <= _key(page, INTERIOR, middle, offset):
                last = middle
            else:
                first = middle + 1
        if first > 0:
            low = max(low, _key(page, INTERIOR, first - 1, offset) + 1)
        if first == count:
            child = int.from_bytes(page[offset + 8 : offset + 12], "big")
        else:
            high = min(high, _key(page, INTERIOR, first, offset))
            cell = _cell(page, first, offset + 12)
            child = int.from_bytes(page[cell : cell + 4], "big")
        if not self.has(child) or low > high:
            raise Unclear(f"page {number} points to {child}")
        return child, low, high

    def children(self, number: int, place: Place) -> set[tuple[int, int, int]]:
        """The children of an inner page, each with its bounds."""
        page = self.page(number)
        offset = 100 if number == 1 else 0
        found, low = set(), place.low
        for i in range(int.from_bytes(page[offset + 3 : offset + 5], "big")):
            cell = _cell(page, i, offset + 12)
            key = varint(page, cell + 4)[0]
            child = int.from_bytes(page[cell : cell + 4], "big")
            if not low <= key <= place.high or not self.has(child):
                raise Unclear(f"inner page {number} is out of order")
            found.add((child, low, key))
            low = key + 1
        found.add((int.from_bytes(page[offset + 8 : offset + 12], "big"), low, place.high))
        return found

    def overflow(self, number: int, place: Place) -> set[int]:
        """The overflow pages of a leaf's rows. On the way everything in the leaf is checked."""
        page = self.page(number)
        offset = 100 if number == 1 else 0
        found: set[int] = set()
        previous = place.low - 1
        end_of_pointers = offset + 8 + 2 * int.from_bytes(page[offset + 3 : offset + 5], "big")
        for i in range((end_of_pointers - offset - 8) // 2):
            cell = _cell(page, i, offset + 8)
            size, at = varint(page, cell)
            key, at = varint(page, at)
            local = self.local(size, self.usable - 35)
            if not (previous < key <= place.high and end_of_pointers <= cell and at + local <= self.usable):
                raise Unclear(f"leaf page {number} is out of order")
            previous = key
            if local < size:
                self.chain(int.from_bytes(page[at + local : at + local + 4], "big"), size - local, found)
        return found

    def local(self, size: int, most: int) -> int:
        """How many bytes of a row stand in its own page, of which `most` can be there."""
        if size <= most:
            return size
        least = (self.usable - 12) * 32 // 255 - 23
        best = least + (size - least) % (self.usable - 4)
        return best if best <= most else least

    def chain(self, number: int, size: int, found: set[int]) -> None:
        while size > 0:
            if not self.has(number) or number in found:
                raise Unclear("a chain of overflow pages is broken")
            found.add(number)
            if self.unread and self.unread[number]:
                self.page(number)
            at = (number - 1) * self.size
            number = int.from_bytes(self.data[at : at + 4], "big")
            size -= self.usable - 4
        if number != 0:
            raise Unclear("a chain of overflow pages goes on")

    def free(self) -> Iterator[int]:
        """Every page on the freelist."""
        found: set[int] = set()  # of those that list others, hundreds each
        trunk = int.from_bytes(self.data[32:36], "big")
        while trunk:
            if trunk in found:
                raise Unclear("the freelist has no end")
            page = self.page(trunk)
            leaves = int.from_bytes(page[4:8], "big")
            if leaves > self.usable // 4 - 2:
                raise Unclear("the freelist is broken")
            found.add(trunk)
            yield trunk
            yield from struct.unpack_from(f">{leaves}I", page, 8)
            trunk = int.from_bytes(page[:4], "big")

    def index_tree(self, root: int) -> Iterator[int]:
        """Every page of an index's tree but for overflow pages; that is how a WITHOUT ROWID table is kept."""
        found = bytearray(self.count + 1)
        pending = [root]
        while pending:
            number = pending.pop()
            if not self.has(number) or found[number]:
                raise Unclear(f"the tree at page {root} is broken")
            found[number] = 1
            yield number
            if self.first_byte(number) == INDEX_INTERIOR:
                pending += index_children(self.page(number), number)


def cells_of(page: bytes, number: int, kind: int) -> Iterator[int]:
    """Where the content of each cell begins: behind the pointer to a child, if it has one."""
    offset = 100 if number == 1 else 0
    count = int.from_bytes(page[offset + 3 : offset + 5], "big")
    inner = kind in (INTERIOR, INDEX_INTERIOR)
    start = offset + (12 if inner else 8)
    if start + 2 * count > len(page):
        raise Unclear(f"page {number} has too many cells")
    for cell in struct.unpack_from(f">{count}H", page, start):
        at = cell + (4 if inner else 0)
        if not 0 < at < len(page) - 1:
            raise Unclear("a cell is outside of its page")
        yield at


def index_children(page: bytes, number: int) -> Iterator[int]:
    offset = 100 if number == 1 else 0
    yield int.from_bytes(page[offset + 8 : offset + 12], "big")
    for cell in cells_of(page, number, INDEX_INTERIOR):
        yield int.from_bytes(page[cell - 4 : cell], "big")


def _cell(page: bytes, number: int, pointers: int) -> int:
    at = pointers + 2 * number
    cell = int.from_bytes(page[at : at + 2], "big")
    if not 0 < cell < len(page) - 1:
        raise Unclear("a cell is outside of its page")
    return cell


def _key(page: bytes, kind: int, number: int, offset: int) -> int:
    """The rowid of a cell."""
    if kind == INTERIOR:
        return varint(page, _cell(page, number, offset + 12) + 4)[0]
    _, at = varint(page, _cell(page, number, offset + 8))
    return varint(page, at)[0]


def varint(page: bytes, at: int) -> tuple[int, int]:
    """A signed 64-bit number, and where it ends."""
    value = 0
    try:
        for i in range(8):
            byte = page[at + i]
            value = (value << 7) | (byte & 0x7F)
            if byte < 0x80:
                return value, at + i + 1
        value = (value << 8) | page[at + 8]
    except IndexError:
        raise Unclear("a number is outside of its page") from None
    return (value - (1 << 64) if value >= 1 << 63 else value), at + 9
