"""A table's content carried forward over a change is what is counted anew, whatever the rows need."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from gallery.values import BLOBS, INTEGERS, NUL_TEXTS, REALS, TEXTS
from hypothesis import given
from hypothesis import strategies as st

from backup.pair import Pair
from mirror.lines import table_content
from mirror.schema import Schema, read_schema

plain = st.tuples(st.integers(0, 9), st.sampled_from(["a", "b", ""]), st.sampled_from([0.5, None]))
any_value = st.sampled_from([None, *INTEGERS, *REALS, *TEXTS, *NUL_TEXTS, *BLOBS])
rows = st.dictionaries(
    st.integers(-5, 1100), st.one_of(plain, plain, st.tuples(any_value, any_value, any_value)), max_size=12
)
CREATE = {
    "key": "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c REAL)",
    "rowid": "CREATE TABLE t (a INTEGER, b TEXT, c REAL)",
    "blob": "CREATE TABLE t (a INTEGER, b TEXT, c BLOB)",
}


def made(path: Path, create: str) -> Schema:
    """Two and a bit ranges of rowids, with a gap."""
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(create)
        numbers = [(n,) for n in range(1050) if not 300 < n < 310]
        connection.executemany("INSERT INTO t (rowid, a, b, c) VALUES (?1, ?1 % 7, 'text ' || ?1, ?1 / 4.0)", numbers)
        connection.commit()
        return read_schema(connection, "delete")


def carried(create: str, new: dict[int, tuple[object, ...]], gone: set[int]) -> bool:
    """Whether the content that a pair carries forward, there and back again, is the one that is counted."""
    with TemporaryDirectory() as folder:
        before, after = Path(folder) / "before.db", Path(folder) / "after.db"
        made(before, create)
        after.write_bytes(before.read_bytes())
        with closing(sqlite3.connect(after)) as connection:
            connection.executemany("DELETE FROM t WHERE rowid = ?", [(n,) for n in gone])
            values = [(n, *row) for n, row in new.items()]
            connection.executemany("INSERT OR REPLACE INTO t (rowid, a, b, c) VALUES (?, ?, ?, ?)", values)
            connection.commit()
        return all(_agrees(old, fresh) for old, fresh in ((before, after), (after, before)))


def _agrees(old: Path, fresh: Path) -> bool:
    schemas = []
    for path in (fresh, old):
        with closing(sqlite3.connect(path)) as connection:
            schemas.append(read_schema(connection, "delete"))
    with closing(Pair(fresh, schemas[0], old, schemas[1])) as pair:
        table, was = schemas[0].tables[0], schemas[1].tables[0]
        known = table_content(pair.connection, "shadow", was, pair.encoding)
        pair.find_changes(table, was, known.rows, 0)
        return pair.content_after(table, was, known, 0) == pair.content(table)


@given(st.sampled_from(sorted(CREATE)), rows, st.sets(st.integers(0, 1100), max_size=8))
def test_rows_that_came_changed_and_went(shape: str, new: dict[int, tuple[object, ...]], gone: set[int]) -> None:
    assert carried(CREATE[shape], new, gone)


@pytest.mark.parametrize("shape", CREATE)
@pytest.mark.parametrize("step", [1, 3, 20])
def test_many_rows_of_a_range(shape: str, step: int) -> None:
    assert carried(CREATE[shape], {n: (n, "new", n * 0.1) for n in range(0, 512, step)}, set(range(1, 300, step)))


@pytest.mark.parametrize("value", ["a\nb", "\x01", "\x02", "back\\slash", "a\0b", "x" * 9000, b"\xff", 1.5, None])
def test_a_value_that_needs_care_beside_rows_that_do_not(value: object) -> None:
    assert carried(CREATE["rowid"], {5: (1, value, 0.5), 6: (2, "plain", 0.25)}, {700})
