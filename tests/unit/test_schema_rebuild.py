"""What would not come back as it is: known, by name, when it is mirrored, and not when it is restored."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import gallery
import pytest
from gallery.case import Case

from mirror.errors import SourceUnsupported
from mirror.schema import read_schema
from mirror.schema_rebuild import require_restorable, schema_without_data

HAND = "PRAGMA writable_schema = ON; "


def made(path: Path, *scripts: str) -> Path:
    """Each by a connection of its own, which reads the schema as the one before left it."""
    for script in scripts:
        with closing(sqlite3.connect(path, isolation_level=None)) as connection:
            connection.executescript(script)
    return path


def check(path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        schema = read_schema(connection, "delete")
    require_restorable(schema)
    assert schema_without_data(schema.rows, schema.pragmas).tables == schema.tables


@pytest.mark.parametrize("case", gallery.ALL, ids=lambda case: case.name)
def test_every_schema_of_the_gallery_comes_back_equal(case: Case, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "a.db", isolation_level=None)) as connection:
        case.make(connection)
    check(tmp_path / "a.db")


@pytest.mark.parametrize(
    ("by_hand", "told"),
    [
        ("UPDATE sqlite_schema SET type = 'TABLE' WHERE name = 't'", "TABLE t would not come back"),
        ("UPDATE sqlite_schema SET type = 'Index' WHERE name = 'i'", "Index i would not come back"),
        ("UPDATE sqlite_schema SET sql = sql || char(0) || 'x' WHERE name = 'v'", "view v"),
    ],
)
def test_what_would_not_is_refused_by_name(by_hand: str, told: str, tmp_path: Path) -> None:
    script = "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a DEFAULT 'first'); CREATE INDEX i ON t (a); "
    path = made(
        tmp_path / "a.db", script + "CREATE VIEW v AS SELECT a FROM t; INSERT INTO t VALUES (1)", HAND + by_hand
    )
    with pytest.raises(SourceUnsupported, match=told):
        check(path)
