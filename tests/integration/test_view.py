"""What the status page shows is what happened: written by each run, and the same when it is made again from the target."""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from contextlib import closing
from typing import Any

import pytest
from fix_source import Source

from backup.run import run
from backup.session import Session
from backup.view import store
from backup.view.figures import Figures


def view(source: Source, query: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(f"file:{source.state / store.FILE}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def facts(source: Source) -> dict[str, Any]:
    return {name: json.loads(value) for name, value in view(source, "SELECT name, value FROM facts")}


POINTS = "SELECT run, added, changed, removed, documents FROM points ORDER BY run"
POINT_TABLES = (
    "SELECT p.run, t.file, t.name, p.added, p.changed, p.removed, p.rows FROM point_tables AS p "
    "JOIN tables AS t ON t.id = p.table_id ORDER BY 1, 2, 3"
)
TABLES = "SELECT file, name, gone, mirror, here, changed_run, exact FROM tables ORDER BY 1, 2"
VERSIONS = (
    "SELECT d.file, d.gone, v.run, v.sha256, v.bytes, v.content IS NULL FROM versions AS v "
    "JOIN documents AS d ON d.id = v.document_id ORDER BY 1, 3"
)


@pytest.fixture
def lived(source: Source) -> Source:
    """Six restore points: rows added, changed and removed, a table dropped, a document changed and gone."""
    source.write(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t (a) VALUES ('1'), ('2'), ('3'), ('4');"
        "CREATE TABLE odd (i INTEGER, b BOOLEAN); INSERT INTO odd VALUES ('text', 1), (1, 2), (3, 1);"
        "CREATE TABLE short (a); INSERT INTO short VALUES (1)"
    )
    (source.json / "data.json").write_text('{"a": 1}')
    source.run()
    source.write("INSERT INTO t (a) VALUES ('5'), ('6'); UPDATE t SET a = 'x' WHERE id < 4; DELETE FROM t WHERE id = 4")
    source.run()
    (source.json / "data.json").write_text('{"a": 2}')
    source.run()
    source.write("DROP TABLE short")
    source.run()
    source.write("CREATE TABLE other (a); INSERT INTO other VALUES (1), (2)", "other.db")
    (source.json / "gone.json").write_text("[]")
    source.run()
    source.write("DELETE FROM t")
    source.run()
    return source


def everything(source: Source) -> list[list[tuple[Any, ...]]]:
    return [view(source, query) for query in (POINTS, POINT_TABLES, TABLES, VERSIONS)]


def test_each_run_leaves_its_restore_point_with_what_it_added_changed_and_removed(lived: Source) -> None:
    assert view(lived, POINTS) == [
        (1, 8, 0, 0, 1),
        (2, 2, 3, 1, 0),
        (3, 0, 0, 0, 1),
        (4, 0, 0, 1, 0),
        (5, 2, 0, 0, 1),
        (6, 0, 0, 5, 0),
    ]
    assert (2, "bot.db", "t", 2, 3, 1, 5) in view(lived, POINT_TABLES)
    assert (4, "bot.db", "short", 0, 0, 1, 0) in view(lived, POINT_TABLES)
    lived.run("full")
    assert view(lived, TABLES) == [
        ("bot.db", "odd", 0, 3, 3, 1, 2),
        ("bot.db", "short", 1, 0, 0, 4, None),
        ("bot.db", "t", 0, 0, 0, 6, 0),
        ("other.db", "other", 0, 2, 2, 5, 2),
    ]
    assert facts(lived)["last_run"] == 6


def test_exact_values_come_with_their_count_and_examples(lived: Source) -> None:
    [(count, examples)] = view(lived, "SELECT exact, examples FROM tables WHERE name = 'odd'")
    assert count == 2
    assert "text" in json.dumps(json.loads(examples))


def test_versions_of_a_document_can_be_compared(lived: Source) -> None:
    contents = [
        zlib.decompress(content)
        for (content,) in view(lived, "SELECT content FROM versions WHERE document_id = 1 ORDER BY run")
    ]
    assert contents == [b'{"a": 1}', b'{"a": 2}']


def test_a_view_that_was_lost_is_made_again_from_the_target(lived: Source) -> None:
    lived.run("full")
    before = everything(lived)
    (lived.state / store.FILE).unlink()
    lived.run("full")
    assert everything(lived) == before


@pytest.mark.parametrize("content", [b"", b"SQLite format 3\0 and then nothing", b"x" * 9000])
def test_a_view_that_is_damaged_is_made_again(lived: Source, content: bytes) -> None:
    lived.run("full")
    before = everything(lived)
    (lived.state / store.FILE).write_bytes(content)
    lived.run("full")
    assert everything(lived) == before


def test_a_view_that_missed_some_runs_catches_up(lived: Source) -> None:
    old = (lived.state / store.FILE).read_bytes()
    lived.write("INSERT INTO t (a) VALUES ('7'); UPDATE odd SET b = 0")
    (lived.json / "data.json").write_text('{"a": 3}')
    lived.run()
    lived.run("full")
    before = everything(lived)
    (lived.state / store.FILE).write_bytes(old)
    lived.run("full")
    assert everything(lived) == before


def test_what_retention_takes_away_is_counted_at_the_next_point_that_is_left(lived: Source) -> None:
    lived.environ["RETENTION"] = "daily:30d"
    with closing(Session()) as session:
        assert run(lived.settings, "full", session=session).refusals == ()
        session.upkeep.wait()
        Figures().catch_up(lived.settings, session)
    assert view(lived, POINTS) == [(6, 12, 3, 7, 3)]
    (lived.state / store.FILE).unlink()
    lived.run("full")
    assert [run for run, *_ in view(lived, POINTS)] == [6]


def test_a_reader_that_never_lets_go_costs_a_run_next_to_nothing(lived: Source) -> None:
    with closing(sqlite3.connect(lived.state / store.FILE, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM points").fetchall()
        lived.write("INSERT INTO t (a) VALUES ('7')")
        began = time.monotonic()
        assert lived.run().run == 7
        assert time.monotonic() - began < 5
    assert facts(lived)["last_run"] == 6
    lived.run()
    assert facts(lived)["last_run"] == 7
    assert view(lived, POINTS)[-1] == (7, 1, 0, 0, 0)


def test_rows_of_a_held_database_are_counted_here_as_well(lived: Source) -> None:
    lived.write(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) INSERT INTO t SELECT i, i FROM n"
    )
    lived.run()
    lived.environ["GUARD_SHRINK"] = "50%"
    lived.write("DELETE FROM t WHERE id > 10")
    assert len(lived.try_run().refusals) == 1
    assert ("bot.db", "t", 0, 200, 10) in [row[:5] for row in view(lived, TABLES)]


def test_a_run_goes_on_when_the_view_cannot_be_written(lived: Source) -> None:
    (lived.state / store.FILE).unlink()
    (lived.state / store.FILE).mkdir()
    lived.write("INSERT INTO t (a) VALUES ('7')")
    assert lived.run().committed
