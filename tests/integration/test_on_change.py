"""A commit of the bot is in Postgres shortly after, without a command; and while nothing happens, nothing is done."""

from __future__ import annotations

import json
import mmap
import os
import shutil
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import datetime
from pathlib import Path

import pytest
from commanding import backup, log, scheduled, status
from fix_source import Source
from restoring import fill, poll
from wire import wire

ON = {"BACKUP_ON_CHANGE": "on", "MIN_INTERVAL": "0"}
DEADLINE = 120

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


def troubles(source: Source) -> list[object]:
    found: list[object] = json.loads((source.state / "status.json").read_text())["troubles"]
    return found


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


def test_a_database_that_replaces_another_and_a_folder_that_comes_back_are_noticed(source: Source) -> None:
    fill(source)
    (source.sqlite / "sub").mkdir()
    fill(source, "WAL", "sub/other.db")
    with scheduled(source, **ON):
        started(source)
        shutil.copy(source.sqlite / "bot.db", source.folder / "next.db")
        with closing(sqlite3.connect(source.folder / "next.db")) as connection, connection:
            connection.execute("UPDATE t SET a = 'another file' WHERE id = 7")
        (source.folder / "next.db").replace(source.sqlite / "bot.db")
        poll("the file in its place", lambda: value(source, 7) == "another file", DEADLINE)
        shutil.move(source.sqlite / "sub", source.folder / "away")
        poll("it is missed", lambda: "sub/other.db is not there any more" in log(source), DEADLINE)
        shutil.move(source.folder / "away", source.sqlite / "sub")
        poll("the folder is there again", lambda: troubles(source) == [], DEADLINE)
        shutil.copytree(source.sqlite / "sub", source.folder / "copy")
        shutil.rmtree(source.sqlite / "sub")
        shutil.copytree(source.folder / "copy", source.sqlite / "sub")
        source.write("UPDATE t SET a = 'in a new folder' WHERE id = 7", "sub/other.db")
        poll("what is in the new folder", lambda: value(source, 7, "sub_other") == "in a new folder", DEADLINE)


def test_a_folder_of_which_the_kernel_tells_nothing_is_looked_at_every_second_and_that_is_said(source: Source) -> None:
    """Writes by shared memory are such: no notification comes of them."""
    content = "SELECT body->'a' FROM sidemirror.documents_now WHERE source = %s AND file = 'data.json'"
    document = source.json / "data.json"
    document.write_text('{"a": 0}')
    fill(source)
    with scheduled(source, **ON) as process:
        started(source)
        assert status(source)["changes"] == "Changes are noticed when they are written"
        poll("the looks that follow a start are over", lambda: time.time() - document.stat().st_mtime > 12)
        for number in (1, 2):
            with document.open("r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
                memory[6:7] = b"%d" % number
            poll(
                "it is there",
                lambda n=number: source.target.query(content, source.name) == [(n,)],
                11 if number == 1 else 4,
            )
        told = "Changes are looked for every 1 s, because a change came without a notification: is it a network volume?"
        assert log(source).count(told) == 1
        assert status(source)["changes"] == told
        assert f"inotify: {told}" in backup(source, "doctor").stdout
        used, began = cpu_seconds(process), time.monotonic()
        poll("three seconds go by", lambda: time.monotonic() - began > 3)
        assert (cpu_seconds(process) - used) / (time.monotonic() - began) <= 0.02


def test_a_commit_makes_one_run_and_its_first_half_none(source: Source) -> None:
    fill(source, "WAL")
    with Bot(source) as bot, scheduled(source, **ON, LOG_LEVEL="debug"):
        started(source)
        for number in range(5):
            bot.write(f"UPDATE t SET a = 'one {number}' WHERE id = 7")
            poll("it is there", lambda number=number: value(source, 7) == f"one {number}", DEADLINE)
        bot.write("PRAGMA cache_size = 2")
        bot.write("BEGIN")
        bot.write("UPDATE t SET a = a || zeroblob(1000)")
        bot.write("COMMIT")
        poll("the large one", lambda: str(value(source, 7)).startswith("one 4"), DEADLINE)
    made = [line for line in (source.folder / "stdout").read_text().splitlines() if "(change): Counts(" in line]
    assert [line for line in made if "upserted=0" in line] == []


def test_a_flood_of_commits_makes_no_more_than_one_run_each_interval(source: Source) -> None:
    fill(source, "WAL")
    with Bot(source, synchronous="OFF") as bot, scheduled(source, BACKUP_ON_CHANGE="on", MIN_INTERVAL="1s"):
        started(source)
        began, number = time.monotonic(), 0
        while time.monotonic() < began + 4:
            number += 1
            bot.write(f"UPDATE t SET a = 'flood {number}' WHERE id = 7")
        poll("the last of them", lambda: value(source, 7) == f"flood {number}", DEADLINE)
        seconds = time.monotonic() - began
    made = len([kind for _, kind, _ in runs(source) if kind == "change"])
    # A quarter less than the interval, at most, so that half of the commits wait half of it; a busy machine makes fewer.
    assert 2 <= made <= seconds / 0.75 + 2
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
        poll("it is through", lambda: value(source, 7) == "away 19")


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
        poll("it is over", lambda: troubles(source) == [], DEADLINE)
