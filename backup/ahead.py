"""The rows of new tables, made ahead of the sending: while the target takes in some, a thread encodes the next ones.

SQLite encodes without Python's lock, and the driver sends without it, so the two take a core each. The thread goes on to the
next table while the target builds the last one's index. It is at most AHEAD_BYTES ahead, whatever the size of the tables.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from threading import Condition, Thread

from backup.changes import TableChange, TableChanged, TableCreated
from backup.pair import Pair, opened
from mirror.content import TableContent
from mirror.lines import Lines, Piece, hashed_as
from mirror.schema import Table

AHEAD_BYTES = 16 * 1024 * 1024
# Each block that is handed over makes one thread wait for the other: so not every piece.
BLOCK_BYTES = 256 * 1024


class Ahead:
    """The Rows of a change set (see changes.py)."""

    def __init__(self, pair: Pair, changes: tuple[TableChange, ...]) -> None:
        self.pair = pair
        self.tables = [change for change in changes if isinstance(change, TableCreated)]
        self.contents: dict[str, TableContent] = {}
        self.queue = _Queue()

    def created(self, change: TableCreated) -> Iterator[bytes]:
        """Tables are asked for in the order in which they were given; one that is asked for again begins anew."""
        if self.queue.next_table is not change:
            self.close()
            self.queue = _Queue()
            tables = self.tables[self.tables.index(change) :]
            Thread(target=_encode, args=(self.pair, tables, self.queue), daemon=True).start()
        self.queue.next_table = None
        total = TableContent()
        while not isinstance(item := self.queue.get(), _End):
            for piece, content in item:
                total = total.plus(content)
                yield piece
        self.queue.next_table = item.next_table
        if change.mirror.fields == hashed_as(change.table).fields:
            self.contents[change.table.name] = total

    def content(self, table: Table) -> TableContent:
        """What went by, if its rows did in the form in which they are hashed."""
        return self.contents[table.name] if table.name in self.contents else self.pair.content(table)

    def upserts(self, change: TableChanged) -> Iterator[bytes]:
        return self.pair.upserts(change)

    def deletes(self, change: TableChanged) -> Iterator[bytes]:
        return self.pair.deletes(change)

    def close(self) -> None:
        """Ends the thread, if there is one."""
        self.queue.stop()


_Block = list[Piece]


@dataclass(frozen=True)
class _End:
    """All rows of a table were given; `next_table` comes now."""

    next_table: TableCreated | None


class _Stopped(Exception):
    """Nobody wants the rest."""


@dataclass
class _Queue:
    """Blocks from the thread that makes them to the one that sends them."""

    next_table: TableCreated | None = None
    items: deque[_Block | _End | BaseException] = field(default_factory=deque)
    size: int = 0
    stopped: bool = False
    changed: Condition = field(default_factory=Condition)

    def put(self, item: _Block | _End | BaseException) -> None:
        """Waits for room. Raises _Stopped."""
        with self.changed:
            self.changed.wait_for(lambda: self.stopped or self.size < AHEAD_BYTES)
            if self.stopped:
                raise _Stopped
            self.items.append(item)
            self.size += _size(item)
            self.changed.notify()

    def get(self) -> _Block | _End:
        """The next one. Raises what was raised where they are made."""
        with self.changed:
            self.changed.wait_for(lambda: self.items)
            item = self.items.popleft()
            self.size -= _size(item)
            self.changed.notify()
        if isinstance(item, BaseException):
            raise item
        return item

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.items.clear()
            self.changed.notify()


def _encode(pair: Pair, tables: list[TableCreated], queue: _Queue) -> None:
    """Whatever goes wrong here goes to the thread that sends: it would wait for ever otherwise."""
    with suppress(_Stopped):
        try:
            _put_all(pair, tables, queue)
        except _Stopped:
            raise
        except BaseException as error:  # noqa: BLE001 - it is raised again in the thread that sends
            queue.put(error)


def _put_all(pair: Pair, tables: list[TableCreated], queue: _Queue) -> None:
    """Has a connection of its own: the sender uses the pair's."""
    with closing(opened(pair.snapshot, pair.encoding)) as connection:
        for change, next_table in zip(tables, [*tables[1:], None], strict=True):
            lines = Lines(connection, "main", change.table, change.mirror, pair.encoding)
            for block in _blocks(lines.all()):
                queue.put(block)
            queue.put(_End(next_table))


def _blocks(pieces: Iterable[Piece]) -> Iterator[_Block]:
    block: _Block = []
    for piece in pieces:
        block.append(piece)
        if _size(block) >= BLOCK_BYTES:
            yield block
            block = []
    yield block


def _size(item: _Block | _End | BaseException) -> int:
    return sum(len(piece) for piece, _ in item) if isinstance(item, list) else 0
