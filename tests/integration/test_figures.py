"""What the page shows and no run waits for: rows here while no run comes through, exceptions, sizes, proved points."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from typing import Any

import pytest
from commanding import backup
from fix_source import Source

from backup import drilling
from backup.session import Session
from backup.view import figures, store
from mirror import settings


@pytest.fixture
def lived(source: Source, monkeypatch: pytest.MonkeyPatch) -> Source:
    monkeypatch.setattr(figures, "LOOK_SECONDS", 0.0)
    source.write(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER); INSERT INTO t VALUES (1, 1), (2, 2);"
        "CREATE TABLE other (id INTEGER PRIMARY KEY); INSERT INTO other VALUES (1);"
    )
    source.run("full")
    return source


def tables(source: Source, columns: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(source.state / store.FILE)) as view:
        return view.execute(f"SELECT {columns} FROM tables ORDER BY name").fetchall()


def earlier(source: Source, seconds: float) -> None:
    """All of the view was measured and changed so much earlier; only time is helped."""
    with closing(sqlite3.connect(source.state / store.FILE, isolation_level=None)) as view:
        view.execute("UPDATE tables SET measured_at = measured_at - ?1, changed_at = changed_at - ?1", (seconds,))
        view.execute("UPDATE databases SET here_at = here_at - ?", (seconds,))


def catch_up(source: Source, **variables: str) -> None:
    with closing(Session()) as session:
        config = settings.load(type(source.settings), source.environ | variables)
        figures.Figures().catch_up(config, session)


def test_exceptions_and_sizes_follow_a_change_without_a_full_run(lived: Source) -> None:
    assert tables(lived, "name, exact") == [("other", 0), ("t", 0)]
    earlier(lived, 400)
    lived.write(
        "INSERT INTO t VALUES (3, 'three');"
        "WITH RECURSIVE n (i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) INSERT INTO t SELECT i, i FROM n"
    )
    [(_, small), *_] = tables(lived, "name = 'other', bytes")
    lived.run()
    assert tables(lived, "name, exact") == [("other", 0), ("t", 0)], "the run itself does not wait for it"
    catch_up(lived)
    assert tables(lived, "name, exact") == [("other", 0), ("t", 1)]
    assert "three" in tables(lived, "examples")[1][0]
    [(other,), (grown,)] = tables(lived, "bytes")
    assert other == small < grown


def test_a_table_is_not_counted_anew_within_five_minutes_nor_for_as_many_rows_as_it_has(lived: Source) -> None:
    lived.write("INSERT INTO t VALUES (3, 'three')")
    lived.run()
    catch_up(lived)
    assert tables(lived, "exact")[1] == (0,)
    earlier(lived, 400)
    with closing(sqlite3.connect(lived.state / store.FILE, isolation_level=None)) as view:
        view.execute("UPDATE tables SET mirror = 1000000, changed_at = ? WHERE name = 't'", (time.time(),))
    catch_up(lived)
    assert tables(lived, "exact")[1] == (0,), "a million rows are read once in a thousand seconds"
    earlier(lived, 1000)
    with closing(sqlite3.connect(lived.state / store.FILE, isolation_level=None)) as view:
        view.execute("UPDATE tables SET changed_at = ? WHERE name = 't'", (time.time(),))
    catch_up(lived)
    assert tables(lived, "exact")[1] == (1,)


def test_a_table_that_grows_is_counted_sooner(lived: Source) -> None:
    lived.write("UPDATE t SET n = 'two' WHERE id = 2")
    lived.run()
    earlier(lived, 30)
    catch_up(lived)
    assert tables(lived, "exact")[1] == (0,), "it has as many rows as before"
    lived.write("INSERT INTO t VALUES (3, 3)")
    lived.run()
    catch_up(lived)
    assert tables(lived, "exact")[1] == (1,)


def test_a_drill_proves_its_restore_point_on_the_page_at_once(lived: Source) -> None:
    with closing(sqlite3.connect(lived.state / store.FILE, isolation_level=None)) as view:
        assert view.execute("SELECT proved FROM points").fetchall() == [(0,)]
        view.execute("UPDATE facts SET value = '1.0' WHERE name = 'refreshed_at'")
        assert drilling.drill_and_remember(lived.settings).ok
        catch_up(lived)
        assert view.execute("SELECT proved FROM points").fetchall() == [(1,)]
        assert view.execute("SELECT run, ok FROM drills").fetchall() == [(1, 1)]


def test_rows_here_are_counted_while_the_target_is_away(lived: Source) -> None:
    lived.write("INSERT INTO t VALUES (3, 3), (4, 4)")
    assert backup(lived, "once", SUPABASE_DB_PORT="9").returncode != 0
    catch_up(lived, SUPABASE_DB_PORT="9")
    assert tables(lived, "name, mirror, here") == [("other", 1, 1), ("t", 2, 4)]
    lived.write("INSERT INTO t VALUES (5, 5)")
    catch_up(lived, SUPABASE_DB_PORT="9")
    assert tables(lived, "mirror, here")[1] == (2, 4), "once a minute"
    earlier(lived, 61)
    catch_up(lived, SUPABASE_DB_PORT="9")
    assert tables(lived, "mirror, here")[1] == (2, 5)
    lived.run()
    assert tables(lived, "mirror, here")[1] == (5, 5)


def test_a_database_that_is_gone_while_the_target_is_away_has_no_rows_here(lived: Source) -> None:
    (lived.sqlite / "bot.db").unlink()
    assert backup(lived, "once", SUPABASE_DB_PORT="9").returncode != 0
    catch_up(lived, SUPABASE_DB_PORT="9")
    assert tables(lived, "mirror, here") == [(1, None), (2, None)]


@pytest.mark.parametrize("content", [b"", b"no database" * 900])
def test_a_view_that_is_none_harms_nobody(lived: Source, content: bytes) -> None:
    (lived.state / store.FILE).write_bytes(content)
    catch_up(lived)
    lived.run("full")
    assert tables(lived, "name, exact") == [("other", 0), ("t", 0)]
