"""The shrink guard remembers the day: ten small steps count as one, and a decision of a person begins the day anew."""

from __future__ import annotations

import shutil

import pytest
from commanding import backup
from fix_source import Source
from restoring import restored

from backup import own_runs
from backup import session as sessions
from backup.run import run

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"


@pytest.fixture
def full(source: Source) -> Source:
    """Run 1 has 1,000 rows, run 2 has 700 of them."""
    source.environ["GUARD_SHRINK"] = "50%"
    source.write(f"CREATE TABLE t (a); INSERT INTO t {NUMBERS.format(1000)}")
    source.point()
    source.write("DELETE FROM t WHERE rowid > 700")
    source.point()
    return source


def lose_the_state(source: Source) -> None:
    """All of it but the installation's id and its runs: without them it is another one, and refused."""
    kept = {name: (source.state / name).read_bytes() for name in ("installation", own_runs.FILE)}
    shutil.rmtree(source.state)
    source.state.mkdir()
    for name, content in kept.items():
        (source.state / name).write_bytes(content)


def held(source: Source) -> list[str]:
    return [refusal.error.what for refusal in source.try_run().refusals]


def test_a_table_that_goes_in_small_steps_is_held_when_less_than_half_of_the_day_is_left(full: Source) -> None:
    full.write("DELETE FROM t WHERE rowid > 520")
    full.point()
    full.write("DELETE FROM t WHERE rowid > 490")
    lose_the_state(full)
    [what] = held(full)
    assert "table t would go from 520 rows to 490 (1000 in the last day)" in what
    full.write("DELETE FROM t")
    assert "table t would go from 520 rows to 0 (1000 in the last day)" in held(full)[0]
    full.write("DROP TABLE t")
    assert "table t with 520 rows (1000 in the last day) would be dropped" in held(full)[0]
    full.write("CREATE TABLE t (a INTEGER PRIMARY KEY); INSERT INTO t VALUES (1)")
    assert "made anew, with 1 rows instead of 520 (1000 in the last day)" in held(full)[0]
    assert full.read_state().last_run == 3
    full.verify()


def test_one_process_asks_the_target_only_when_a_table_may_have_lost_too_much(full: Source) -> None:
    kept = sessions.Session()
    try:
        for left in range(690, 500, -40):
            full.write(f"DELETE FROM t WHERE rowid > {left}")
            assert run(full.settings, "run", None, kept).refusals == ()
        full.write("DELETE FROM t WHERE rowid > 499")
        [refusal] = run(full.settings, "run", None, kept).refusals
        assert "(1000 in the last day)" in refusal.error.what
    finally:
        kept.close()


def test_what_was_more_than_a_day_ago_does_not_count_but_what_was_still_there_then_does(full: Source) -> None:
    full.target.query(
        "UPDATE sidemirror.runs SET finished_at = finished_at - interval '25 hours' WHERE run <= 2 AND source_id = "
        "(SELECT id FROM sidemirror.sources WHERE name = %s)",
        full.name,
    )
    full.write("DELETE FROM t WHERE rowid > 400")
    full.point()
    full.write("DELETE FROM t WHERE rowid > 340")
    assert "(700 in the last day)" in held(full)[0]


def test_after_accept_the_day_begins_anew(full: Source) -> None:
    full.write("DELETE FROM t WHERE rowid > 510")
    assert backup(full, "once").returncode == 0
    full.write("DELETE FROM t WHERE rowid > 420")
    assert backup(full, "once").returncode == 6
    assert backup(full, "accept").returncode == 0
    full.write("DELETE FROM t WHERE rowid > 300")
    full.point()
    full.write("DELETE FROM t WHERE rowid > 205")
    assert "(420 in the last day)" in held(full)[0]


def test_after_a_restore_the_day_begins_anew(full: Source) -> None:
    full.write("INSERT INTO t " + NUMBERS.format(2000))
    full.point()
    restored(full, "--run", "2", "--yes")
    full.write("INSERT INTO t VALUES ('the bot goes on')")
    assert full.try_run().refusals == ()
    full.write("DELETE FROM t WHERE rowid > 400")
    assert full.try_run().refusals == ()
    full.write("DELETE FROM t WHERE rowid > 340")
    assert "(701 in the last day)" in held(full)[0]


def test_a_table_that_comes_and_goes_without_a_row_is_not_held(full: Source) -> None:
    full.write("CREATE TABLE import_tmp (a)")
    full.point()
    full.write("DROP TABLE import_tmp")
    full.point()
    full.write("CREATE TABLE import_tmp (a); INSERT INTO import_tmp VALUES (1); DROP TABLE import_tmp")
    assert held(full) == []
    full.write("CREATE TABLE few (a); INSERT INTO few VALUES (1)")
    full.point()
    full.write("DROP TABLE few")
    assert "table few with 1 rows would be dropped" in held(full)[0]
