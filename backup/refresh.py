"""The next snapshot out of the last one: only the pages that differ are read from the bot's file, and written.

The copy that is brought up to date is the spare one: the shadow before the last. Where there is none, the shadow is copied.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from backup.btree import Pages, Unclear
from backup.sums import Sums
from backup.wal import Position, Wal

# Where more pages differ, the copy is made whole and whole tables are compared: which pages those are is not even noted.
MOST_CHANGED = 20_000


@dataclass(frozen=True)
class Base:
    """What the next snapshot is made of. `differs`: every page in which the spare copy is another than the shadow.
    `sums`: the shadow's."""

    shadow: Path
    spare: Path | None
    differs: frozenset[int]
    position: Position | None  # of the WAL; the shadow has everything up to there
    sums: Sums


@dataclass(frozen=True)
class Fresh:
    """A copy was made. `changed`: every page in which it differs from the shadow, those included that are no more.
    `sums`: of its pages, as they were written."""

    changed: frozenset[int] | None
    position: Position | None
    sums: Sums


class CannotRefresh(Exception):
    """It has to be copied whole: the files are too different, or this SQLite has no sqlite_dbpage."""


def prepare(base: Base, into: Path) -> frozenset[int]:
    """Puts a copy of the shadow there that is right but for the pages that are given back."""
    if base.spare is not None and base.spare.exists():
        base.spare.rename(into)
        return base.differs
    shutil.copyfile(base.shadow, into)
    return frozenset()


def refresh(
    reader: sqlite3.Connection, wal: Wal, base: Base, into: Path, stale: frozenset[int]
) -> tuple[frozenset[int], Sums]:
    """Makes `into` the snapshot that `reader`, in a read transaction, sees; gives the pages that the shadow has not, and
    the sums of all of them.

    `stale`: as `prepare` gave it. Raises CannotRefresh.
    """
    try:
        pages = Pages(base.shadow)
    except Unclear:
        raise CannotRefresh from None
    try:
        [(size,)] = reader.execute("PRAGMA page_size")
        [(count,)] = reader.execute("PRAGMA page_count")
        if (size, pages.count) != (pages.size, len(base.sums.values)) or abs(count - pages.count) > MOST_CHANGED:
            raise CannotRefresh
        changed = _from_wal(reader, wal, base, pages, count)
        if changed is None:
            changed = few(_differing(reader, base))
        sums = base.sums.copy()
        sums.resize(count)
        with into.open("r+b") as file:
            for number, data in read(reader, (n for n in changed | stale if n <= count)):
                os.pwrite(file.fileno(), data, (number - 1) * size)
                sums.put(number, data)
            file.truncate(count * size)
        gone = range(count + 1, pages.count + 1)
    except (sqlite3.Error, Unclear):
        raise CannotRefresh from None  # the whole copy that follows meets the same, and tells it precisely
    finally:
        pages.close()
    return frozenset(changed).union(gone), sums


def few(numbers: Iterable[int]) -> set[int]:
    """These page numbers; raises CannotRefresh for more than may be kept in memory."""
    found: set[int] = set()
    for number in numbers:
        found.add(number)
        if len(found) > MOST_CHANGED:
            raise CannotRefresh
    return found


def read(reader: sqlite3.Connection, numbers: Iterable[int]) -> Iterator[tuple[int, bytes]]:
    """Pages of `main`, one at a time, in order."""
    query = "SELECT data FROM sqlite_dbpage WHERE schema = 'main' AND pgno = ?"
    for number in sorted(numbers):
        [(data,)] = reader.execute(query, (number,))
        yield number, data


def _from_wal(reader: sqlite3.Connection, wal: Wal, base: Base, pages: Pages, count: int) -> set[int] | None:
    """The pages that differ, if the WAL tells which ones can."""
    candidates = wal.pages_since(base.position)
    if candidates is None:
        return None
    candidates = {number for number in candidates if number <= count}
    written = candidates | set(range(pages.count + 1, count + 1))
    found = few(n for n, data in read(reader, written | {1}) if not pages.has(n) or data != pages.page(n))
    # Whoever writes past the WAL leaves a new change counter in page 1.
    return None if 1 in found - candidates else found


def _differing(reader: sqlite3.Connection, base: Base) -> Iterator[int]:
    """The pages that differ, by looking at all of them; memory is what that is bound by."""
    reader.execute("ATTACH ? AS shadow", (f"file:{quote(str(base.shadow))}?mode=ro&immutable=1",))
    rows = reader.execute(
        "SELECT m.pgno FROM sqlite_dbpage('main') AS m LEFT JOIN sqlite_dbpage('shadow') AS s ON s.pgno = m.pgno "
        "WHERE s.data IS NOT m.data"
    )
    return (number for (number,) in rows)
