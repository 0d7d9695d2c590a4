"""Retention on a recorded history: kept points restore as before, the others are gone, and it can be cut off anywhere."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from fix_source import Source
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from backup import thin as thinning
from backup.thin import thin
from mirror.retention import Point, kept, parse_rules
from mirror.target import connected

START = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a);
CREATE TABLE k (x TEXT PRIMARY KEY, y) WITHOUT ROWID;
INSERT INTO t VALUES (1, 'start'), (2, 'start'), (3, 'start');
INSERT INTO k VALUES ('a', 0), ('b', 0);
"""
RUNS = 24


def live(source: Source, run: int) -> None:
    """What the bot does before a run: rows, keys, tables, columns, a database and documents come, change and go."""
    script = f"""
    UPDATE t SET a = 'run {run}' WHERE id % 3 = {run % 3};
    INSERT INTO t (a) VALUES ('new in {run}');
    DELETE FROM t WHERE id = {run};
    REPLACE INTO k VALUES ('{"abc"[run % 3]}', {run});
    DELETE FROM k WHERE y < {run - 2};
    """
    if run % 5 == 0:
        script += f"CREATE TABLE passing_{run} (v); INSERT INTO passing_{run} VALUES ({run}), (NULL);"
    if run % 5 == 1 and run > 5:
        script += f"UPDATE passing_{run - 1} SET v = 'changed'; "
    if run % 5 == 2 and run > 5:
        script += f"DROP TABLE passing_{run - 2};"
    if run in (7, 15):
        script += f"ALTER TABLE t ADD COLUMN c{run} DEFAULT {run};"
    if run == 18:
        script += "DROP TABLE k; CREATE TABLE k (x REAL, y TEXT, PRIMARY KEY (y)); INSERT INTO k VALUES (1, '1');"
    source.write(script if run < 18 else script.replace("y <", "x <"))
    (source.json / "data.json").write_text(f'{{"run": {run // 2}}}')
    if 4 <= run <= 9:
        source.write(f"CREATE TABLE IF NOT EXISTS o (v); INSERT INTO o VALUES ({run})", "other.db")
        (source.json / "other.json").write_text(str(run))
    if run == 10:
        source.sqlite.joinpath("other.db").unlink()
        source.json.joinpath("other.json").unlink()
        (source.state / "accepted.json").write_text('{"files": ["other.db", "other.json"]}')


def record(source: Source, runs: int = RUNS) -> None:
    source.write(START)
    for run in range(1, runs + 1):
        live(source, run)
        assert source.point().run == run


def spread(source: Source, ages: dict[int, timedelta], now: datetime) -> list[Point]:
    """Moves restore points into the past."""
    for run, age in ages.items():
        source.target.query(
            "UPDATE sidemirror.runs SET finished_at = %s WHERE run = %s AND source_id = "
            "(SELECT id FROM sidemirror.sources WHERE name = %s)",
            now - age, run, source.name,
        )  # fmt: skip
    return [Point(run, now - age) for run, age in ages.items()]


def runs_left(source: Source) -> list[int]:
    found = source.target.query(
        "SELECT run FROM sidemirror.runs JOIN sidemirror.sources AS s ON s.id = source_id WHERE s.name = %s ORDER BY run",
        source.name,
    )
    return [run for (run,) in found]


def sizes(source: Source) -> dict[str, int]:
    """Rows of the catalog that retention is there to bound."""
    owned = {
        "history": "table_id IN (SELECT t.id FROM sidemirror.tables AS t JOIN sidemirror.databases AS d "
        "ON d.id = t.database_id WHERE d.source_id = s.id)",
        "tables": "database_id IN (SELECT id FROM sidemirror.databases WHERE source_id = s.id)",
        "databases": "source_id = s.id",
        "document_states": "document_id IN (SELECT id FROM sidemirror.documents WHERE source_id = s.id)",
        "document_contents": "source_id = s.id",
    }
    return {
        name: source.target.query(
            f"SELECT count(*) FROM sidemirror.{name}, sidemirror.sources AS s WHERE s.name = %s AND {condition}",
            source.name,
        )[0][0]
        for name, condition in owned.items()
    }


def thinned(source: Source, rules: str, now: datetime) -> int:
    with connected(source.settings) as connection:
        return thin(connection, source.name, parse_rules(rules), now)


def document_at(source: Source, run: int, file: str) -> bytes | None:
    """A document as the catalog has it at a restore point."""
    document = next((d for d in source.read_state(run).documents if d.file == file), None)
    if document is None:
        return None
    [(content,)] = source.target.query(
        "SELECT sidemirror.document_bytes(id, decode(%s, 'hex')) FROM sidemirror.sources WHERE name = %s",
        document.sha256, source.name,
    )  # fmt: skip
    return bytes(content)


def verify_what_is_left(source: Source) -> None:
    left = runs_left(source)
    source.points = {run: files for run, files in source.points.items() if run in left}
    assert sorted(source.points) == left
    source.verify()
    for run in left:
        assert document_at(source, run, "data.json") == f'{{"run": {run // 2}}}'.encode()
        other = f"{run}".encode() if 4 <= run <= 9 else None
        assert document_at(source, run, "other.json") == other


def test_a_long_history_is_thinned_to_what_the_rules_keep_and_each_of_those_restores(source: Source) -> None:
    record(source)
    now = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
    # Three a day, then three an hour, then every minute.
    ages = {run: timedelta(days=12, hours=8 * -run) for run in range(1, 13)}
    ages |= {run: timedelta(hours=5, minutes=20 * -(run - 12)) for run in range(13, 20)}
    ages |= {run: timedelta(minutes=RUNS - run) for run in range(20, RUNS + 1)}
    recorded = spread(source, ages, now)
    rules = "all:1h,hourly:1d,daily:30d"
    expected = kept(recorded, parse_rules(rules), now)
    assert 8 < len(expected) < 16
    before = sizes(source)

    assert thinned(source, rules, now) == RUNS - len(expected)
    assert set(runs_left(source)) == expected
    verify_what_is_left(source)
    after = sizes(source)
    assert [name for name in before if not after[name] < before[name] and name != "databases"] == []

    assert thinned(source, rules, now) == 0
    assert sizes(source) == after
    verify_what_is_left(source)


def test_thinned_to_the_last_point_no_history_is_left_and_the_next_run_goes_on(source: Source) -> None:
    record(source)
    now = datetime.now(UTC) + timedelta(days=1)
    assert thinned(source, "all:1s", now) == RUNS - 1
    assert runs_left(source) == [RUNS]
    assert sizes(source) == {"history": 0, "tables": 2, "databases": 1, "document_states": 2, "document_contents": 1}
    verify_what_is_left(source)
    live(source, RUNS + 1)
    source.point()
    verify_what_is_left(source)


def test_thinned_again_and_again_as_time_passes_every_kept_point_restores(source: Source) -> None:
    source.write(START)
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    for run in range(1, RUNS + 1):
        live(source, run)
        source.point()
        now = begin + timedelta(hours=4 * run)
        source.target.query(
            "UPDATE sidemirror.runs SET finished_at = %s WHERE finished_at > %s", now, begin + timedelta(days=90)
        )
        thinned(source, "all:9h,hourly:1d,daily:9d", now)
        if run % 4 == 0:
            verify_what_is_left(source)
    assert 5 < len(runs_left(source)) < 12


def test_the_last_proved_point_is_never_thinned(source: Source) -> None:
    record(source, 6)
    source.target.query("UPDATE sidemirror.runs SET proved_at = now() WHERE run IN (2, 4)")
    thinned(source, "all:1s", datetime.now(UTC) + timedelta(days=1000))
    assert runs_left(source) == [4, 6]
    verify_what_is_left(source)


class _Cut(Exception):
    pass


class _CutCursor(Cursor):
    """The real driver's cursor, that goes away before its Nth statement."""

    left = 0

    def execute(self, *arguments: Any) -> None:
        type(self).left -= 1
        if type(self).left < 0:
            raise _Cut
        super().execute(*arguments)


@contextmanager
def cut_before(connection: Connection, statement: int) -> Iterator[None]:
    _CutCursor.left = statement
    connection.cursor_factory = _CutCursor
    yield


def test_cut_off_before_any_of_its_statements_every_point_still_listed_restores(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(thinning, "ROWS_IN_ONE_STEP", 3)
    record(source, 12)
    now = datetime(2026, 5, 4, 12, 10, tzinfo=UTC)  # five hours of the clock, whatever the time of the test
    spread(source, {run: timedelta(minutes=25 * (12 - run)) for run in range(1, 13)}, now)
    statement = finished = 0
    while not finished:
        with connected(source.settings) as connection, cut_before(connection, statement):
            try:
                thin(connection, source.name, parse_rules("hourly:4h"), now)
                finished = 1
            except _Cut:
                pass
        verify_what_is_left(source)
        statement += 1
    assert statement > 5
    assert thinned(source, "hourly:4h", now) == 0
    assert len(runs_left(source)) == 5


KILLED = """
import os, signal, sys, threading
from backup import thin
from backup.config import BackupSettings
from mirror import settings
from mirror.retention import parse_rules
from mirror.target import connected
from datetime import UTC, datetime, timedelta
thin.ROWS_IN_ONE_STEP = 1
config = settings.load(BackupSettings)
with connected(config) as connection:
    threading.Timer(float(sys.argv[1]), os.kill, (os.getpid(), signal.SIGKILL)).start()
    thin.thin(connection, config.source_name, parse_rules("all:1s"), datetime.now(UTC) + timedelta(days=9))
os._exit(0)
"""


def test_killed_at_any_moment_it_goes_on_the_next_time(source: Source) -> None:
    record(source, 10)
    for tenth in range(1, 8):
        process = subprocess.run([sys.executable, "-c", KILLED, str(tenth / 60)], env=source.process_environ)
        assert process.returncode in (0, -9)
        verify_what_is_left(source)
        if process.returncode == 0:
            break
    thinned(source, "all:1s", datetime.now(UTC) + timedelta(days=9))
    assert runs_left(source) == [10]
    assert sizes(source)["history"] == 0


def test_two_sources_with_the_same_files_thin_and_see_only_their_own(source: Source, tmp_path: Path) -> None:
    other = Source(tmp_path / "other", source.target)
    record(source, 6)
    record(other, 8)
    before = sizes(other)
    thinned(source, "all:1s", datetime.now(UTC) + timedelta(days=9))
    assert (runs_left(source), runs_left(other)) == ([6], list(range(1, 9)))
    assert sizes(other) == before
    verify_what_is_left(other)
    verify_what_is_left(source)


def test_a_full_run_thins_and_a_small_one_does_not(source: Source) -> None:
    source.environ["RETENTION"] = "all:1h"
    record(source, 5)
    source.target.query("UPDATE sidemirror.runs SET finished_at = now() - interval '2 hours' WHERE run < 4")
    source.run()
    assert runs_left(source) == [1, 2, 3, 4, 5]
    source.run("full")
    assert runs_left(source) == [4, 5]
    verify_what_is_left(source)
