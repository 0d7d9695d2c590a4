"""Thinning goes in small steps, each a transaction of its own, seen by a trigger in the target; a run goes on beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg2
import pytest
from fix_source import Source
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from backup import thin as thinning
from backup.thin import thin
from mirror.retention import parse_rules
from mirror.target import connected, reading

STEP = 100
WATCH = """
CREATE TABLE public.steps (transaction xid8, rows bigint);
CREATE FUNCTION public.note_step() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN INSERT INTO public.steps SELECT pg_current_xact_id(), count(*) FROM gone; RETURN NULL; END $$;
CREATE TRIGGER steps AFTER DELETE ON sidemirror.history REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION public.note_step();
"""
FORGET = "DROP TRIGGER steps ON sidemirror.history; DROP FUNCTION public.note_step; DROP TABLE public.steps"


@pytest.fixture
def recorded(source: Source, monkeypatch: pytest.MonkeyPatch) -> Iterator[Source]:
    """Three points; the second and the third changed a thousand rows each."""
    monkeypatch.setattr(thinning, "ROWS_IN_ONE_STEP", STEP)
    source.write(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n); "
        "WITH RECURSIVE i (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM i WHERE i < 1000) INSERT INTO t SELECT i, 0 FROM i"
    )
    source.point()
    for number in (1, 2):
        source.write(f"UPDATE t SET n = {number}")
        source.point()
    source.target.query(WATCH)
    yield source
    source.target.query(FORGET)


def test_no_step_deletes_more_than_its_share_or_is_of_the_same_transaction_as_another(recorded: Source) -> None:
    with connected(recorded.settings) as connection:
        assert thin(connection, recorded.name, parse_rules("all:1s"), datetime.now(UTC) + timedelta(days=1)) == 2
    [(rows, most, steps, transactions)] = recorded.target.query(
        "SELECT sum(rows), max(rows), count(*), count(DISTINCT transaction) FROM public.steps WHERE rows > 0"
    )
    assert (int(rows), most) == (2000, STEP)
    assert steps == transactions == 2000 // STEP


def test_a_run_made_between_two_steps_is_not_kept_waiting(recorded: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, made = thinning._asked, []

    def run_in_between(*arguments: object) -> bool:
        more = asked(*arguments)  # type: ignore[arg-type]
        if not made:
            recorded.write("UPDATE t SET n = 3")
            made.append(recorded.point().run)
        return more

    monkeypatch.setattr(thinning, "_asked", run_in_between)
    with connected(recorded.settings) as connection:
        thin(connection, recorded.name, parse_rules("all:1s"), datetime.now(UTC) + timedelta(days=1))
    assert made == [4]
    for run in (1, 2):
        del recorded.points[run]
    recorded.verify()


def test_the_round_trips_do_not_grow_with_the_points(source: Source) -> None:
    source.write("CREATE TABLE t (id INTEGER PRIMARY KEY, n); INSERT INTO t VALUES (1, 0)")
    for number in range(12):
        source.write(f"UPDATE t SET n = {number}")
        source.point()
    source.target.query(
        "UPDATE sidemirror.runs SET finished_at = finished_at - make_interval(hours => (20 - run / 2)::integer) "
        "WHERE source_id = (SELECT id FROM sidemirror.sources WHERE name = %s)",
        source.name,
    )
    with connected(source.settings) as connection:
        asked = _counted(connection)
        assert thin(connection, source.name, parse_rules("hourly:1d"), datetime.now(UTC)) in (5, 6)
    assert len(asked) <= 8
    left = source.target.query(
        "SELECT run FROM sidemirror.runs JOIN sidemirror.sources AS s ON s.id = source_id WHERE s.name = %s",
        source.name,
    )
    source.points = {run: files for run, files in source.points.items() if (run,) in left}
    source.verify()


def _counted(connection: Connection) -> list[object]:
    asked: list[object] = []

    class Counting(Cursor):
        def execute(self, *arguments: Any) -> None:
            asked.append(arguments)
            super().execute(*arguments)

    connection.cursor_factory = Counting
    return asked


def test_a_point_that_is_read_stays_until_it_is_read_and_then_goes(recorded: Source) -> None:
    later = datetime.now(UTC) + timedelta(days=1)
    state = recorded.read_state(2)
    with connected(recorded.settings) as reader, connected(recorded.settings) as connection:
        with reading(reader) as cursor:
            cursor.execute("SELECT sidemirror.hold_point(%s, 2)", (state.source_id,))
            assert thin(connection, recorded.name, parse_rules("all:1s"), later) == 1
            left = recorded.points.pop(1)
            recorded.verify()
        assert thin(connection, recorded.name, parse_rules("all:1s"), later) == 1
        with pytest.raises(psycopg2.Error) as gone, reading(reader) as cursor:
            cursor.execute("SELECT sidemirror.hold_point(%s, 2)", (state.source_id,))
    assert gone.value.pgcode == "SM005"
    assert "restore point 2 is not there any more" in str(gone.value)
    assert left
