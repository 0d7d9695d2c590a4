"""Two files are the same to the byte, or it is said in which table they are not: whatever SQLite takes for equal."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from backup.byte_for_byte import differences

TABLES = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, v); CREATE TABLE w (k PRIMARY KEY, v) WITHOUT ROWID; CREATE TABLE n (a, b)"
)
LARGE = 1_100_000


def made(path: Path, script: str, encoding: str = "UTF-8") -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.executescript(f"{TABLES}; {script}")
    return path


def told(folder: Path, one: str, other: str, encoding: str = "UTF-8") -> list[str]:
    return differences(made(folder / "one.db", one, encoding), made(folder / "other.db", other, encoding))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("1", "1.0"),
        ("0.0", "-0.0"),
        ("'a'", "x'61'"),
        ("NULL", "''"),
        ("CAST(x'ff' AS TEXT)", "CAST(x'fe' AS TEXT)"),
        (f"zeroblob({LARGE})", f"CAST(zeroblob({LARGE - 1}) || x'01' AS BLOB)"),
        (f"hex(zeroblob({LARGE}))", f"hex(zeroblob({LARGE - 1})) || '01'"),
    ],
)
@pytest.mark.parametrize(("table", "where"), [("t", "row 1"), ("n", "row 1"), ("w", "a row")])
def test_a_value_that_differs_is_found(table: str, where: str, one: str, other: str, tmp_path: Path) -> None:
    columns = "'k', " if table == "w" else "1, "
    found = told(
        tmp_path, f"INSERT INTO {table} VALUES ({columns}{one})", f"INSERT INTO {table} VALUES ({columns}{other})"
    )
    assert found == [f"table {table}, {where}"]


def test_characters_that_utf_16_loses_are_found(tmp_path: Path) -> None:
    one, other = (f"INSERT INTO t VALUES (7, CAST(x'{code}' AS TEXT))" for code in ("ffff", "fdff"))
    assert told(tmp_path, one, other, "UTF-16le") == ["table t, row 7"]


def test_a_row_that_only_one_has_is_found(tmp_path: Path) -> None:
    rows = "WITH RECURSIVE i (x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM i WHERE x < {}) INSERT INTO t SELECT x, x FROM i;"
    assert told(tmp_path, rows.format(200), rows.format(400)) == ["table t: one of them has more rows"]


def test_an_object_that_only_one_has_is_found(tmp_path: Path) -> None:
    found = told(tmp_path, "CREATE TABLE more (a); CREATE VIEW v AS SELECT 1", "")
    assert found == ["the schema", "table more is in one of them only"]


def test_other_pages_with_the_same_rows_are_no_difference(tmp_path: Path) -> None:
    rows = (
        "INSERT INTO t VALUES (1, 'x'), (5, x'00'), (9, -0.0); INSERT INTO w VALUES ('b', 1), ('a', NULL); "
        f"INSERT INTO n (rowid, a) VALUES (70, hex(zeroblob({LARGE}))), (-3, zeroblob({LARGE}));"
    )
    more = "CREATE TABLE x (a); INSERT INTO x VALUES (zeroblob(90000)); DROP TABLE x; DELETE FROM t WHERE v = 1;"
    assert told(tmp_path, rows, more + rows) == []
