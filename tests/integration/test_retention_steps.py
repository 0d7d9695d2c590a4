"""Thinning goes in small steps, each a transaction of its own, seen by a trigger in the target; a run goes on beside it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from fix_source import Source

from backup import thin as thinning
from backup.thin import thin
from mirror.retention import parse_rules
from mirror.target import connected

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
    merge, made = thinning._merge_states, []

    def run_in_between(*arguments: object) -> None:
        if not made:
            recorded.write("UPDATE t SET n = 3")
            made.append(recorded.point().run)
        merge(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(thinning, "_merge_states", run_in_between)
    with connected(recorded.settings) as connection:
        thin(connection, recorded.name, parse_rules("all:1s"), datetime.now(UTC) + timedelta(days=1))
    assert made == [4]
    for run in (1, 2):
        del recorded.points[run]
    recorded.verify()
