"""A copy of a database outside of WAL mode, where a reader makes a writer wait: what takes long is done without the lock.

The file is copied, or the last copy brought up to date, block by block while anybody may write. Then SQLite's read lock is
taken, in which nobody can; and if the file is as it was before, nothing is left to do: the lock was held for less than a
millisecond. If not, that is tried once more, and then done in the lock: every block is compared (40 ms for 100 MB).
So the copy is right whatever was read without the lock; that only decides how much is left.

"As it was" means the same file, size and times, those older than a tick of the clock, so that no write can hide behind them
(one that was rolled back shows in nothing else); and the same first page, in which each commit counts up (fileformat2.html,
offset 24). All is read through one descriptor, opened before SQLite opens the file and closed after it has: closing
it drops the lock (howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from backup.btree import Pages, Unclear
from backup.read_lock import reading
from backup.refresh import MOST_CHANGED, Base, CannotRefresh, Fresh
from backup.sums import of_file
from mirror import safe_files

_ROUNDS = 2
_BLOCK = 1 << 20  # a multiple of every page size
_TICK_NS = 20_000_000  # of the kernel: 10 ms at most
_COARSE_NS = 2_100_000_000  # file systems that keep whole seconds, or every second one

# What a write changes: inode, size and the two times.
_Stamp = tuple[int, int, int, int]


def in_rollback_mode(source: Path) -> bool:
    """Whether a reader makes a writer wait. Where there is a log, SQLite reads it, whatever the file's header says."""
    try:
        with safe_files.opened(source) as file:
            return _says_so(source, file)
    except OSError:
        return False  # SQLite says precisely why


def _says_so(source: Path, file: int) -> bool:
    # https://www.sqlite.org/fileformat2.html, offset 18
    return os.pread(file, 2, 18) == b"\1\1" and not os.path.lexists(f"{source}-wal")


def copy_unlocked(source: Path, into: Path, base: Base | None, stale: frozenset[int] = frozenset()) -> Fresh:
    """Makes `into` the database as it is at one instant. With `base` it is right already but for the `stale` pages.

    Raises CannotRefresh where that has to be done in another way, and sqlite3.Error.
    """
    work = _Copy(into, base, set(stale))
    for last in [False] * (_ROUNDS - 1) + [True]:
        with _opened(source) as file:
            stamp = _settled(file)
            work.bring_up_to(file)
            with reading(source) as reader:
                if stamp is None or _stamp(source.lstat()) != stamp or not work.begins_as(reader):
                    if not last:
                        continue
                    if os.fstat(file).st_ino != source.lstat().st_ino:
                        raise CannotRefresh
                    work.bring_up_to(file)
                if not _says_so(source, file):
                    raise CannotRefresh
                [(count,)] = reader.execute("PRAGMA page_count")
        return work.done(count)
    raise CannotRefresh


class _Copy:
    """The copy that is made. `touched`: the pages that were written, or None where they are too many to be kept."""

    def __init__(self, into: Path, base: Base | None, touched: set[int]) -> None:
        self.into, self.base = into, base
        self.sums = base.sums.copy() if base else None
        self.touched: set[int] | None = touched if base else None
        into.touch()

    def bring_up_to(self, file: int) -> None:
        """Writes what is another in the file. Raises CannotRefresh where that cannot be read, or has other pages."""
        with self.into.open("r+b") as into:
            at = 0
            while block := _read(file, at):
                there = os.pread(into.fileno(), len(block), at)
                if block != there:
                    self._write(into.fileno(), at, block, there)
                at += len(block)
            into.truncate(at)

    def _write(self, into: int, at: int, block: bytes, there: bytes) -> None:
        if self.sums is None:
            os.pwrite(into, block, at)
            return
        size = self.sums.page_size
        for start in range(0, len(block), size):
            page = block[start : start + size]
            if page != there[start : start + size]:
                os.pwrite(into, page, at + start)
                self._touch((at + start) // size + 1, page)

    def _touch(self, number: int, page: bytes) -> None:
        assert self.sums is not None
        if number > len(self.sums.values):
            self.sums.resize(number)
        self.sums.put(number, page)
        if self.touched is not None:
            self.touched.add(number)
            if len(self.touched) > MOST_CHANGED:
                self.touched = None

    def begins_as(self, reader: sqlite3.Connection) -> bool:
        """Whether SQLite, in its lock, reads the first page that is here. Without sqlite_dbpage it cannot be asked."""
        try:
            first = reader.execute("SELECT data FROM sqlite_dbpage WHERE schema = 'main' AND pgno = 1").fetchall()
        except sqlite3.OperationalError:
            return False
        with self.into.open("rb") as file:
            return [(file.read(len(data)),) for (data,) in first] == first

    def done(self, count: int) -> Fresh:
        """What was made, of so many pages. Nobody waits any more."""
        if self.sums is None or self.base is None:
            sums = of_file(self.into)
            if len(sums.values) < count:
                raise CannotRefresh
            os.truncate(self.into, count * sums.page_size)
            sums.resize(count)
            return Fresh(None, None, sums)
        if len(self.sums.values) < count:
            raise CannotRefresh
        os.truncate(self.into, count * self.sums.page_size)
        self.sums.resize(count)
        return Fresh(self._changed(self.base, count), None, self.sums)

    def _changed(self, base: Base, count: int) -> frozenset[int] | None:
        """The pages in which the copy differs from the shadow; None for too many."""
        try:
            with closing(Pages(base.shadow)) as was, closing(Pages(self.into)) as now:
                if (was.size, was.count) != (now.size, len(base.sums.values)):
                    raise CannotRefresh
                if self.touched is None or abs(count - was.count) > MOST_CHANGED:
                    return None
                here = {n for n in self.touched if n <= count and (not was.has(n) or was.page(n) != now.page(n))}
                return frozenset(here).union(range(count + 1, was.count + 1))
        except Unclear:
            raise CannotRefresh from None


@contextmanager
def _opened(source: Path) -> Iterator[int]:
    try:
        file = safe_files.descriptor(source)
    except OSError:
        raise CannotRefresh from None
    try:
        yield file
    finally:
        os.close(file)


def _settled(file: int) -> _Stamp | None:
    """What shows every write from now on; None where a write could hide."""
    stat = os.fstat(file)
    if _age(stat) < _TICK_NS:
        time.sleep(_TICK_NS / 1e9)
        stat = os.fstat(file)
    coarse = not (stat.st_mtime_ns % 1_000_000_000 and stat.st_ctime_ns % 1_000_000_000)
    return _stamp(stat) if _age(stat) >= (_COARSE_NS if coarse else _TICK_NS) else None


def _age(stat: os.stat_result) -> int:
    return time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns)


def _stamp(stat: os.stat_result) -> _Stamp:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _read(file: int, at: int) -> bytes:
    """A block, whole unless the file ends in it."""
    block = b""
    try:
        while len(block) < _BLOCK and (piece := os.pread(file, _BLOCK - len(block), at + len(block))):
            block = block + piece if block else piece
    except OSError:
        raise CannotRefresh from None
    return block
