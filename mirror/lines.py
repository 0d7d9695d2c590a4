"""A table's rows as COPY lines, with the content of what goes by: all of them, or those of a range of rowids.

Nearly all rows of nearly all tables need no care (values.plain_row), so they are encoded and hashed many at once: the ones
whose rowids agree in all but the last nine bits are hashed together. Every other row is encoded carefully and hashed by
itself. Which of the two a row is follows from the row alone, and its line is the same on both roads.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from hashlib import blake2b
from itertools import groupby
from operator import itemgetter

from mirror.big_rows import big_lines
from mirror.content import TableContent, of_lines
from mirror.mapping import MirrorTable, mirror_table
from mirror.names import quote_sqlite
from mirror.schema import Table
from mirror.values import careful_line, is_big_row, is_plain, may_be_plain, plain_line, plain_row

RANGE_BITS = 9
CHUNK_BYTES = 256 * 1024

Piece = tuple[bytes, TableContent]
Part = tuple[int, int] | None  # ranges of rowids, from the first to before the second; None: the whole table
_NOTHING = TableContent()


def hashed_as(table: Table) -> MirrorTable:
    """The form in which a table's rows are hashed: it follows from the table alone, not from the mirror it has got."""
    return mirror_table(table, table.name, key_fits=True)


class Lines:
    """The rows of one table in `database` (main or an attached one) of a connection that gives text as bytes."""

    def __init__(
        self, connection: sqlite3.Connection, database: str, table: Table, mirror: MirrorTable, encoding: str
    ) -> None:
        self.connection = connection
        self.database = database
        self.table = table
        self.mirror = mirror
        self.encoding = encoding
        # Rows are counted and read in the table itself: an index can be out of step with it, or in an order unknown here.
        self.relation = f"{database}.{quote_sqlite(table.name)} n NOT INDEXED"
        self.big = is_big_row(mirror)
        # A UTF-16 text becomes valid UTF-8 on its way out even where it is not valid UTF-16.
        by_range = table.rowid_alias is not None and encoding == "UTF-8" and may_be_plain(mirror)
        self.plain = plain_row(table, mirror) if by_range else "0"
        self.rowid = f"n.{quote_sqlite(str(table.rowid_alias))}"
        self.fields = len(mirror.fields)
        # One row of SQLite's for a whole range. Without an index it is read in the order of the rowids.
        self.of_plain_range = (
            f"SELECT count(*), group_concat({plain_line(table, mirror)}, char(10)) FROM {self.relation} "
            f"WHERE {self.rowid} BETWEEN ? AND ? AND {self.plain}"
        )

        self.rowids_between = f"SELECT {self.rowid} FROM {self.relation} WHERE {self.rowid} BETWEEN ? AND ?"

    def all(self) -> Iterator[Piece]:
        """Every row, once, as pieces of whole lines (a large row: as several pieces, the content with the last)."""
        lowest, highest, rows = self._extent() if self.plain != "0" else (0, 0, None)
        done = 0
        if rows:
            for piece in self._all_plain(lowest, highest, rows):
                done += piece[1].rows
                yield piece
        if done != rows:
            yield from self.others(self.relation, "1")

    def some(self, rows: str, count: int) -> Iterator[Piece]:
        """`count` rows of a FROM clause in which the table is n, without their content."""
        done = 0
        if self.plain != "0":
            cursor = self.connection.execute(
                f"SELECT {plain_line(self.table, self.mirror)} FROM {rows} WHERE {self.plain}"
            )
            while lines := cursor.fetchmany(1000):
                chunk = b"\n".join([line for (line,) in lines]) + b"\n"
                if not is_plain(chunk, len(lines), self.fields):
                    careful = f"SELECT {careful_line(self.table, self.mirror)} FROM {rows} WHERE {self.plain}"
                    for (line,) in self.connection.execute(f"{careful} LIMIT -1 OFFSET {done}"):
                        yield line + b"\n", _NOTHING
                    break
                done += len(lines)
                yield chunk, _NOTHING
        if done < count:
            yield from self.others(rows, "1")

    def of_range(self, number: int) -> TableContent:
        """The content of the rows whose rowids are in this range."""
        content = _NOTHING
        condition = self._range(number)
        if self.plain != "0":
            for _, plain in self._plain_range(number):
                content = content.plus(plain)
        # To count is much quicker than to look whether there is a row that needs care.
        if content.rows < self._number(f"SELECT count(*) FROM {self.relation} WHERE {condition}"):
            for _, other in self.others(self.relation, condition):
                content = content.plus(other)
        return content

    def plain_lines(self, low: int, high: int) -> dict[int, bytes] | None:
        """The lines of the rows with rowids from `low` to `high`, by rowid; None if one of them needs care."""
        if self.plain == "0":
            return None
        rowids = [rowid for (rowid,) in self.connection.execute(self.rowids_between, (low, high))]
        [(_, joined_lines)] = self.connection.execute(self.of_plain_range, (low, high))
        lines = joined_lines.split(b"\n") if joined_lines is not None else []
        return dict(zip(rowids, lines, strict=True)) if len(lines) == len(rowids) else None

    def of_plain(self, lines: Mapping[int, bytes]) -> TableContent | None:
        """The content of a range that has just these lines; None if they do not say what they mean."""
        if not lines:
            return _NOTHING
        chunk = b"\n".join([lines[rowid] for rowid in sorted(lines)]) + b"\n"
        if not is_plain(chunk, len(lines), self.fields):
            return None
        return of_lines(len(lines), blake2b(chunk, digest_size=32))

    def parts(self, rows: int) -> list[Part]:
        """The table in parts of about so many rows, whose contents add up to the whole's; one where it cannot be divided."""
        if self.plain == "0":
            return [None]
        lowest, highest, count = self._extent()
        if not count or (highest - lowest) >> 3 > count:
            return [None]
        first, last, step = lowest >> RANGE_BITS, highest >> RANGE_BITS, max(1, rows >> RANGE_BITS)
        return [(start, min(start + step, last + 1)) for start in range(first, last + 1, step)]

    def of_part(self, part: Part) -> TableContent:
        """The content of one of the `parts`."""
        if part is None:
            return _sum(self.all())
        low, high = part[0] << RANGE_BITS, (part[1] << RANGE_BITS) - 1
        within = f"{self.rowid} BETWEEN {low} AND {high}"
        content = _sum(piece for number in range(*part) for piece in self._plain_range(number))
        if content.rows < self._number(f"SELECT count(*) FROM {self.relation} WHERE {within}"):
            content = content.plus(_sum(self.others(self.relation, within)))
        return content

    def others(self, rows: str, condition: str) -> Iterator[Piece]:
        """The rows that are encoded with care. `rows` is a FROM clause in which the table is n."""
        careful = f"SELECT {careful_line(self.table, self.mirror)} FROM {rows} WHERE NOT ({self.plain})"
        lines: list[bytes] = []
        size = 0
        for (line,) in self.connection.execute(f"{careful} AND NOT ({self.big}) AND ({condition})"):
            lines.append(line)
            size += len(line)
            if size >= CHUNK_BYTES:
                yield _one_by_one(lines)
                lines, size = [], 0
        if lines:
            yield _one_by_one(lines)
        yield from self._large(rows, condition)

    def _large(self, rows: str, condition: str) -> Iterator[Piece]:
        where = f"({self.big}) AND ({condition})"
        digest = blake2b(digest_size=32)
        of_large = (self.connection, self.database, self.table, self.mirror, rows, where, self.encoding)
        for piece in big_lines(*of_large):
            digest.update(piece)
            ended = piece == b"\n"
            yield piece, of_lines(1, digest) if ended else _NOTHING
            if ended:
                digest = blake2b(digest_size=32)

    def _all_plain(self, lowest: int, highest: int, rows: int) -> Iterator[Piece]:
        first, last = lowest >> RANGE_BITS, highest >> RANGE_BITS
        if (last - first) * 8 > rows:
            yield from self._sparse()
            return
        for number in range(first, last + 1):
            yield from self._plain_range(number)

    def _extent(self) -> tuple[int, int, int]:
        """The lowest and the highest rowid, and how many rows there are."""
        lowest, highest, rows = self.connection.execute(
            f"SELECT min({self.rowid}), max({self.rowid}), count(*) FROM {self.relation}"
        ).fetchone()
        return lowest, highest, rows

    def _sparse(self) -> Iterator[Piece]:
        """Rowids that are far apart: one query for all is faster than one for each range."""
        numbered = self.connection.execute(
            f"SELECT {self.rowid} >> {RANGE_BITS}, {plain_line(self.table, self.mirror)} FROM {self.relation} "
            f"WHERE {self.plain} ORDER BY {self.rowid}"
        )
        for number, rows in groupby(numbered, itemgetter(0)):
            lines = [line for _, line in rows]
            yield self._checked(number, len(lines), b"\n".join(lines) + b"\n")

    def _plain_range(self, number: int) -> Iterator[Piece]:
        rows, lines = self.connection.execute(self.of_plain_range, bounds(number)).fetchone()
        if rows:
            yield self._checked(number, rows, lines + b"\n")

    def _checked(self, number: int, rows: int, chunk: bytes) -> Piece:
        """The lines as they are if they say what they mean, otherwise made again with care."""
        if not is_plain(chunk, rows, self.fields):
            query = f"SELECT {careful_line(self.table, self.mirror)} FROM {self.relation} WHERE {self.plain}"
            careful = self.connection.execute(f"{query} AND {self._range(number)} ORDER BY {self.rowid}")
            chunk = b"".join([line + b"\n" for (line,) in careful])
        return chunk, of_lines(rows, blake2b(chunk, digest_size=32))

    def _range(self, number: int) -> str:
        low, high = bounds(number)
        return f"{self.rowid} BETWEEN {low} AND {high}"

    def _number(self, query: str) -> int:
        return int(self.connection.execute(query).fetchone()[0])


def bounds(number: int) -> tuple[int, int]:
    """The first and the last rowid of a range."""
    return number << RANGE_BITS, (number << RANGE_BITS) + (1 << RANGE_BITS) - 1


def _one_by_one(lines: list[bytes]) -> Piece:
    content = _NOTHING
    for line in lines:
        content = content.plus(of_lines(1, blake2b(line + b"\n", digest_size=32)))
    return b"\n".join(lines) + b"\n", content


def _sum(pieces: Iterable[Piece]) -> TableContent:
    content = _NOTHING
    for _, piece in pieces:
        content = content.plus(piece)
    return content


def table_content(connection: sqlite3.Connection, database: str, table: Table, encoding: str) -> TableContent:
    """The content of a whole table; the connection needs expressions.register, and gives text as bytes."""
    return Lines(connection, database, table, hashed_as(table), encoding).of_part(None)
