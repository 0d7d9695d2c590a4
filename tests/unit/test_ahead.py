"""Rows of new tables that a thread makes ahead of the sending: every row once, in order, whatever becomes of the sending."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

import pytest

from backup import ahead
from backup.ahead import Ahead
from backup.changes import TableCreated
from backup.pair import Pair
from mirror.lines import hashed_as, table_content
from mirror.schema import read_schema

ROWS = 20_000


@pytest.fixture
def pair(tmp_path: Path) -> Iterator[Pair]:
    file = tmp_path / "bot.db"
    with closing(sqlite3.connect(file)) as connection:
        for name in ("first", "second", "third"):
            connection.execute(f"CREATE TABLE {name} (id INTEGER PRIMARY KEY, note TEXT, rate REAL)")
            rows = ((f"{name} {n}" if n % 1000 else "a\ttab\\", n / 7) for n in range(ROWS if name != "second" else 0))
            connection.executemany(f"INSERT INTO {name} (note, rate) VALUES (?, ?)", rows)
        connection.commit()
        schema = read_schema(connection, "delete")
    with closing(Pair(file, schema, None, None)) as made:
        yield made


@pytest.fixture
def tables(pair: Pair) -> tuple[TableCreated, ...]:
    return tuple(TableCreated(table, hashed_as(table), pair.count(table)) for table in pair.schema.tables)


def test_every_row_is_given_once_in_order_with_the_content_of_its_table(
    pair: Pair, tables: tuple[TableCreated, ...]
) -> None:
    with closing(Ahead(pair, tables)) as rows:
        for change in tables:
            ids = [int(line.split(b"\1")[0]) for line in b"".join(rows.created(change)).splitlines()]
            assert ids == list(range(1, change.rows + 1))
            assert rows.content(change.table) == table_content(pair.connection, "main", change.table, pair.encoding)


def test_a_sending_that_fails_half_way_can_begin_anew(
    pair: Pair, tables: tuple[TableCreated, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "AHEAD_BYTES", 100_000)
    monkeypatch.setattr(ahead, "BLOCK_BYTES", 10_000)
    with closing(Ahead(pair, tables)) as rows:
        assert len(list(islice(rows.created(tables[0]), 3))) == 3
        for change in tables:
            assert sum(piece.count(b"\n") for piece in rows.created(change)) == change.rows


def test_what_fails_in_the_thread_is_raised_where_rows_are_sent(
    pair: Pair, tables: tuple[TableCreated, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(Ahead(pair, tables)) as rows:
        list(rows.created(tables[0]))
    pair.snapshot.write_bytes(b"no database at all" * 1000)
    with closing(Ahead(pair, tables)) as rows, pytest.raises(sqlite3.DatabaseError):
        list(rows.created(tables[0]))


def test_a_thread_that_cannot_even_open_the_file_keeps_nobody_waiting(
    pair: Pair, tables: tuple[TableCreated, ...]
) -> None:
    pair.snapshot.unlink()
    with closing(Ahead(pair, tables)) as rows, pytest.raises(sqlite3.OperationalError, match="unable to open"):
        list(rows.created(tables[0]))


def test_a_thread_that_nobody_takes_rows_from_waits_and_ends_when_told(
    pair: Pair, tables: tuple[TableCreated, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ahead, "AHEAD_BYTES", 50_000)
    monkeypatch.setattr(ahead, "BLOCK_BYTES", 10_000)
    before = set(threading.enumerate())
    with closing(Ahead(pair, tables)) as rows:
        next(rows.created(tables[0]))
        [thread] = set(threading.enumerate()) - before
        assert rows.queue.size <= 50_000 + 10_000 + 512 * 60
    thread.join(10)
    assert not thread.is_alive()
