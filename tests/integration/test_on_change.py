"""A commit of the bot is in Postgres shortly after, without a command; and while nothing happens, nothing is done."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from commanding import log, scheduled
from fix_source import Source
from restoring import fill, poll
from wire import wire

ON = {"BACKUP_ON_CHANGE": "on", "MIN_INTERVAL": "0"}
DEADLINE = 5.0

BOT = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA synchronous = " + sys.argv[2])
print("open", flush=True)
for line in sys.stdin:
    connection.execute(line)
    print("done", flush=True)
"""


class Bot:
    """Another process that keeps a database open and writes to it."""

    def __init__(self, source: Source, file: str = "bot.db", synchronous: str = "FULL") -> None:
        command = [sys.executable, "-c", BOT, str(source.sqlite / file), synchronous]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._answer()

    def __enter__(self) -> Bot:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def write(self, statement: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(statement + "\n")
        self.process.stdin.flush()
        self._answer()

    def _answer(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline()


def runs(source: Source) -> list[tuple[int, str, datetime]]:
    """Number, kind and start of the source's runs."""
    if source.target.query("SELECT to_regclass('sidemirror.runs')::text") == [(None,)]:
        return []
    return source.target.query(
        "SELECT run, kind, started_at FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = r.source_id "
        "WHERE s.name = %s ORDER BY run",
        source.name,
    )


def started(source: Source) -> None:
    poll("the run at start", lambda: runs(source))


def value(source: Source, number: int, file: str = "bot") -> object:
    found = source.target.query(f"SELECT a FROM {source.name}_{file}.t WHERE id = %s", number)
    return found[0][0] if found else None


def cpu_seconds(process: subprocess.Popen[bytes]) -> float:
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_a_commit_of_another_process_is_mirrored_without_a_command(mode: str, source: Source) -> None:
    fill(source, mode)
    with Bot(source) as bot, scheduled(source, **ON):
        started(source)
        for number in range(5):
            bot.write(f"UPDATE t SET a = 'commit {number}' WHERE id = 7")
            poll("it is there", lambda number=number: value(source, 7) == f"commit {number}", DEADLINE)
    assert {kind for _, kind, _ in runs(source)} == {"run", "change"}


def test_files_that_come_later_are_mirrored_in_new_folders_too(source: Source) -> None:
    fill(source)
    with scheduled(source, **ON):
        started(source)
        (source.json / "data.json").write_text('{"a": 1}')
        content = "SELECT body->'a' FROM sidemirror.documents_now WHERE source = %s AND file = 'data.json'"
        poll("a document", lambda: source.target.query(content, source.name) == [(1,)], DEADLINE)
        (source.sqlite / "sub").mkdir()
        source.write("CREATE TABLE t (id INTEGER PRIMARY KEY, a); INSERT INTO t VALUES (1, 'x')", "sub/new.db")
        poll("a database in a new folder", lambda: len(source.read_state().databases) == 2, DEADLINE)
        source.write("UPDATE t SET a = 'y'", "sub/new.db")
        poll("a change in it", lambda: value(source, 1, "sub_new") == "y", DEADLINE)
        fresh = source.json / "fresh.json.tmp"
        fresh.write_text('{"a": 2}')
        fresh.replace(source.json / "data.json")
        poll("a document that replaces another", lambda: source.target.query(content, source.name) == [(2,)], DEADLINE)


def test_a_flood_of_commits_makes_no_more_than_one_run_each_interval(source: Source) -> None:
    fill(source, "WAL")
    with Bot(source, synchronous="OFF") as bot, scheduled(source, BACKUP_ON_CHANGE="on", MIN_INTERVAL="1s"):
        started(source)
        until, number = time.monotonic() + 4, 0
        while time.monotonic() < until:
            number += 1
            bot.write(f"UPDATE t SET a = 'flood {number}' WHERE id = 7")
        poll("the last of them", lambda: value(source, 7) == f"flood {number}", DEADLINE)
    starts = [at for _, kind, at in runs(source) if kind == "change"]
    pauses = [after - before for before, after in itertools.pairwise(starts)]
    assert len(starts) >= 4
    assert min(pauses) >= timedelta(seconds=0.99)
    assert max(pauses) < timedelta(seconds=2)
    assert log(source).count("Last Sync: ") <= 3, "the log is not flooded"
    assert not source.run("full").committed


def test_while_nothing_is_written_nothing_is_run_or_sent(source: Source) -> None:
    fill(source, "WAL")
    with Bot(source), wire(source) as cable, scheduled(source, **ON, **cable.environ) as process:
        started(source)
        before, began = runs(source), time.monotonic()
        received, used = 0, 0.0

        def settled() -> bool:
            nonlocal received, used
            now = cpu_seconds(process)
            quiet = received == cable.received and now - used < 0.02
            received, used = cable.received, now
            return quiet and time.monotonic() - began > 1

        poll("it has settled", settled)
        received, used, began = cable.received, cpu_seconds(process), time.monotonic()
        poll("three seconds go by", lambda: time.monotonic() - began > 3)
        share = (cpu_seconds(process) - used) / (time.monotonic() - began)
    assert (runs(source), cable.received) == (before, received)
    assert share <= 0.02


def test_one_connection_serves_many_runs_and_a_broken_one_is_replaced(source: Source) -> None:
    fill(source, "WAL")
    with Bot(source) as bot, wire(source) as cable, scheduled(source, **ON, **cable.environ):
        started(source)
        for number in range(5):
            bot.write(f"UPDATE t SET a = 'one {number}' WHERE id = 7")
            poll("it is there", lambda number=number: value(source, 7) == f"one {number}", DEADLINE)
        assert cable.connections == 1
        cable.cut()
        cable.mend()
        bot.write("UPDATE t SET a = 'mended' WHERE id = 7")
        poll("it is there", lambda: value(source, 7) == "mended", DEADLINE)
        assert cable.connections == 2
    assert "ERROR" not in log(source)


def test_while_the_target_is_away_writes_do_not_bring_the_next_try_forward(source: Source) -> None:
    fill(source, "WAL")
    with Bot(source) as bot, wire(source) as cable, scheduled(source, **ON, **cable.environ):
        started(source)
        cable.cut()
        bot.write("UPDATE t SET a = 'away' WHERE id = 7")
        poll("it is told", lambda: "The next try is in 5 s" in log(source))
        tries = cable.connections
        for number in range(20):
            bot.write(f"UPDATE t SET a = 'away {number}' WHERE id = 7")
        assert cable.connections == tries
        cable.mend()
        poll("it is through", lambda: value(source, 7) == "away 19", 15)


def test_what_is_refused_is_told_once_and_not_at_every_write(source: Source) -> None:
    fill(source, "WAL")
    (source.json / "data.json").write_text("{}")
    with Bot(source) as bot, scheduled(source, **ON):
        started(source)
        (source.json / "data.json").unlink()
        for number in range(5):
            bot.write(f"UPDATE t SET a = 'while {number}' WHERE id = 7")
            poll("it is there", lambda number=number: value(source, 7) == f"while {number}", DEADLINE)
        assert log(source).count("data.json is not there any more") == 1
        (source.json / "data.json").write_text("{}")
        status_file = source.state / "status.json"
        poll("it is over", lambda: json.loads(status_file.read_text())["troubles"] == [], DEADLINE)
