"""A drill restores everything and compares: a good one proves a restore point, a bad one is told and stops thinning."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import certifi
import pytest
from commanding import backup, log, scheduled, status
from fix_source import Source
from restoring import fill_all, poll

from backup import drilling, outcome
from backup.drill import Drill, drill
from backup.drill_process import DrillProcess
from backup.outcome import DrillTold, Outcome
from backup.scheduler import Scheduler
from backup.thin import thin
from mirror import expressions
from mirror.errors import DrillStopped, NoBackup
from mirror.retention import parse_rules
from mirror.target import connected


@pytest.fixture
def mirrored(source: Source) -> Source:
    fill_all(source)
    source.run()
    return source


def drills(source: Source) -> list[tuple[Any, ...]]:
    return source.target.query(
        "SELECT run, ok, rows, what FROM sidemirror.drills JOIN sidemirror.sources AS s ON s.id = source_id "
        "WHERE s.name = %s ORDER BY drills.id",
        source.name,
    )


def proved(source: Source) -> list[int]:
    found = source.target.query(
        "SELECT run FROM sidemirror.runs JOIN sidemirror.sources AS s ON s.id = source_id "
        "WHERE s.name = %s AND proved_at IS NOT NULL ORDER BY 1",
        source.name,
    )
    return [run for (run,) in found]


def test_a_good_drill_proves_the_last_restore_point_and_says_what_it_took(mirrored: Source) -> None:
    assert backup(mirrored, "once").returncode == 0
    result = backup(mirrored, "drill")
    assert (result.returncode, result.stderr) == (0, "")
    assert "Drill: run 1 was restored and is what was mirrored: 606 rows" in log(mirrored)
    assert drills(mirrored) == [(1, True, 606, None)]
    assert proved(mirrored) == [1]
    found = status(mirrored)
    told = found["outcome"]["drill"]
    assert (found["safe"], told["ok"], told["run"], told["rows"]) == (True, True, 1, 606)
    assert told["bytes"] > 10_000, "rows of both databases and the documents' bytes"
    assert 0 < told["seconds"] < 30
    assert "Last drill " in backup(mirrored, "status").stdout
    assert list((mirrored.state / "drill").iterdir()) == [], "the scratch space is empty again"


@pytest.mark.parametrize(
    ("edit", "told"),
    [
        (
            "UPDATE {schema}.t SET a = 'other' WHERE id = 7",
            "bot.db is not what was mirrored: table t (300 rows came back",
        ),
        ("DELETE FROM {schema}.t WHERE id = 7", "table t (299 rows came back, 300 were mirrored)"),
        ("INSERT INTO {schema}.t (id) VALUES (1000)", "table t (301 rows came back, 300 were mirrored)"),
        ("TRUNCATE {schema}.t", "table t (0 rows came back, 300 were mirrored)"),
        ("DROP TABLE {schema}.t", "bot.db: relation"),
        ("ALTER TABLE {schema}.t DROP COLUMN a", "bot.db: column"),
        ("UPDATE {schema}.t SET _exact = '1' WHERE id = 7", "a row of table t of bot.db in the target is not"),
    ],
)
def test_whatever_somebody_changed_in_the_mirror_fails_the_drill(mirrored: Source, edit: str, told: str) -> None:
    schema = next(d.schema_name for d in mirrored.read_state().databases if d.file == "bot.db")
    mirrored.target.query(edit.format(schema=schema))
    result = backup(mirrored, "drill")
    assert result.returncode == 12
    assert told in result.stderr
    assert "sub/wal.db" not in result.stderr, "what is well is not accused"
    assert [ok for _, ok, _, _ in drills(mirrored)] == [False]
    assert proved(mirrored) == []
    found = status(mirrored)
    assert (found["safe"], found["code"]) == (False, 1)
    [trouble] = found["outcome"]["troubles"]
    assert (trouble["subject"], trouble["kind"]) == ("drill", "DrillFailed")
    assert told in trouble["what"]


def test_what_mirror_and_hash_lose_alike_fails_the_drill(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expressions, "_LOST_IN_UTF_16", expressions._LOST)  # as it was once
    source.write("PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (a TEXT); INSERT INTO t VALUES (CAST(x'ffff' AS TEXT))")
    source.run()
    assert drill(source.settings).problems == (
        "bot.db has the right content hash, and is not the local copy to the byte: table t, row 1",
    )
    monkeypatch.undo()
    assert source.run("full").committed
    assert drill(source.settings).ok


def test_a_document_that_was_changed_in_the_target_fails_the_drill_and_a_good_one_ends_the_trouble(
    mirrored: Source,
) -> None:
    mirrored.target.query("UPDATE sidemirror.document_chunks SET bytes = bytes || ' ' WHERE bytes = '[]'")
    result = backup(mirrored, "drill")
    assert result.returncode == 12
    assert "sub/more.json is not what was mirrored, or is gone" in result.stderr
    assert backup(mirrored, "once").returncode == 0
    assert not status(mirrored)["safe"], "a run does not know better than a drill"
    mirrored.target.query("UPDATE sidemirror.document_chunks SET bytes = '[]' WHERE bytes = '[] '")
    assert backup(mirrored, "drill").returncode == 0
    assert status(mirrored)["safe"]


def test_a_failed_drill_stops_thinning_and_a_good_one_lets_it_go_on(
    mirrored: Source, caplog: pytest.LogCaptureFixture
) -> None:
    for day in range(3):
        mirrored.write(f"UPDATE t SET a = 'day {day}' WHERE id = 1")
        mirrored.run()
    mirrored.target.query("UPDATE sidemirror.document_chunks SET bytes = bytes || ' ' WHERE bytes = '[]'")
    assert not drill(mirrored.settings).ok
    rules, later = parse_rules("daily:30d"), datetime.now(UTC) + timedelta(days=2)
    with connected(mirrored.settings) as connection, caplog.at_level(logging.WARNING):
        assert thin(connection, mirrored.name, rules, later) == 0
        assert "the last drill failed" in caplog.text
        mirrored.target.query("UPDATE sidemirror.document_chunks SET bytes = '[]' WHERE bytes = '[] '")
        assert drill(mirrored.settings).ok
        assert thin(connection, mirrored.name, rules, later) == 3


def test_the_last_restore_point_that_passed_a_drill_is_never_thinned_away(mirrored: Source) -> None:
    for day in range(4):
        mirrored.write(f"UPDATE t SET a = 'day {day}' WHERE id = 1")
        mirrored.run()
        if day == 1:
            assert drill(mirrored.settings).run == 3
    with connected(mirrored.settings) as connection:
        thin(connection, mirrored.name, parse_rules("daily:30d"), datetime.now(UTC) + timedelta(days=40))
    left = mirrored.target.query(
        "SELECT run FROM sidemirror.runs JOIN sidemirror.sources AS s ON s.id = source_id WHERE name = %s ORDER BY 1",
        mirrored.name,
    )
    assert left == [(3,), (5,)]
    mirrored.rebuild(3)


def test_without_a_mirror_and_without_room_there_is_no_drill_and_it_says_why(source: Source) -> None:
    result = backup(source, "drill")
    assert result.returncode == 11
    assert "holds nothing of the source" in result.stderr


def test_a_drill_asks_for_room_first(mirrored: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("backup.drill.SPARE_BYTES", 10**18)
    with pytest.raises(Exception, match=r"a drill needs .* MB in the state folder"):
        drill(mirrored.settings)
    assert drills(mirrored) == []


def test_another_installation_makes_no_drill(mirrored: Source) -> None:
    (mirrored.state / "installation").unlink()
    assert backup(mirrored, "drill").returncode == 14
    assert drills(mirrored) == []


def test_the_schedule_makes_drills_and_a_start_makes_none_that_is_not_due(mirrored: Source) -> None:
    with scheduled(mirrored, DRILL_EVERY="2s", DRILL_BUDGET="off"):
        poll("two drills", lambda: len(drills(mirrored)) >= 2)
        poll("status knows", lambda: status(mirrored)["outcome"]["next_drill_at"])
    made = len(drills(mirrored))
    (mirrored.state / "status.json").unlink()
    with scheduled(mirrored, DRILL_EVERY="1d"):
        poll("the run at start", lambda: status(mirrored)["outcome"]["next_drill_at"])
    known = drilling.recall(mirrored.settings)
    assert known.drill is not None, "the target tells what a lost state folder knew"
    assert len(drills(mirrored)) == made
    with scheduled(mirrored, DRILL_EVERY="off"):
        poll("the run at start", lambda: status(mirrored)["outcome"]["next_at"])
        assert status(mirrored)["outcome"]["next_drill_at"] is None


def test_a_drill_that_the_target_refuses_is_tried_again_within_ten_minutes(mirrored: Source) -> None:
    mirrored.environ["SUPABASE_DB_SSLROOTCERT"] = certifi.where()  # other CAs than the target has
    scheduler = Scheduler(lambda: mirrored.settings)
    scheduler.drill()
    [trouble] = outcome.read(mirrored.state).troubles
    assert trouble.subject == "drill"
    [job] = scheduler.agenda.planned("drill")
    assert job.next_run is not None
    assert job.next_run - datetime.now() <= timedelta(minutes=10)


def test_runs_go_on_while_a_drill_is_on(mirrored: Source, capfd: pytest.CaptureFixture[str]) -> None:
    table = next(database for database in mirrored.read_state().databases if database.file == "sub/wal.db")
    with connected(mirrored.settings) as blocker, blocker.cursor() as cursor:
        cursor.execute(f'BEGIN; LOCK TABLE "{table.schema_name}".t IN ACCESS EXCLUSIVE MODE')
        process = DrillProcess(mirrored.process_environ)
        waiting = (
            "SELECT count(*) FROM pg_locks WHERE NOT granted "
            "AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        poll("the drill waits for a table", lambda: mirrored.target.query(waiting) == [(1,)])
        mirrored.write("ALTER TABLE t RENAME TO renamed; INSERT INTO renamed DEFAULT VALUES")
        assert mirrored.run().run == 2
        assert not process.ended()
        cursor.execute("ROLLBACK")
    done = process.result()
    assert (done.ok, done.run, proved(mirrored)) == (True, 1, [1])
    assert capfd.readouterr().err == "", "its process ended by itself, and Python had nothing to say to that"


def test_a_drill_that_is_stopped_records_nothing_and_the_next_one_is_good(mirrored: Source) -> None:
    process = DrillProcess(mirrored.process_environ)
    process.stop()
    assert process.ended()
    assert drills(mirrored) == []
    assert drill(mirrored.settings).ok


def test_a_drill_that_is_killed_says_so(mirrored: Source) -> None:
    process = DrillProcess(mirrored.process_environ)
    process._process.kill()
    with pytest.raises(DrillStopped, match="was killed"):
        process.result()


def test_what_a_drill_in_a_process_raises_is_raised_here(source: Source) -> None:
    with pytest.raises(NoBackup, match="holds nothing of the source"):
        DrillProcess(source.process_environ).result()


AT = datetime(2026, 11, 22, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("size", "budget", "pause"),
    [
        (1_000_000, "1GB", timedelta(days=1)),
        (100_000_000, "1GB", timedelta(days=3)),
        (500_000_000, "1GB", timedelta(days=15)),
        (500_000_000, "off", timedelta(days=1)),
    ],
)
def test_a_large_mirror_is_drilled_less_often(source: Source, size: int, budget: str, pause: timedelta) -> None:
    source.environ["DRILL_BUDGET"] = budget
    told = DrillTold(at="2026-11-22T12:00:00+00:00", run=1, ok=True, seconds=1.0, rows=1, bytes=size)
    assert drilling.every(source.settings, Outcome(drill=told)) == pause
    assert drilling.left(source.settings, Outcome(drill=told), AT + timedelta(hours=20)) == pause - timedelta(hours=20)
    assert drilling.left(source.settings, Outcome(), AT) == drilling.FIRST_AFTER


def test_a_drill_without_problems_is_good() -> None:
    assert Drill(AT, 1, 0.1, 1, 1, ()).ok
    assert not Drill(AT, 1, 0.1, 1, 1, ("a",)).ok
