"""What the bot writes is in Postgres within seconds, with no command; and where the kernel tells nothing, it is said.

The stack runs as a user of its own, so that what is taken from that user's share of inotify is missed by nobody else.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from fix_stack import NewStack
from stack import TAG, Stack, poll, run

USER = "4242"
SECONDS = 10
"""Within which a commit is to be seen. It takes one or two, but two files of tests and their stacks share the machine."""

FLOOD = """
import os, sqlite3, sys, time
path = "/data/sqlite/flood.db"
connection = sqlite3.connect(path, isolation_level=None)
connection.execute("PRAGMA journal_mode = WAL")
connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT)")
began, commits, largest = time.monotonic(), 0, 0
while time.monotonic() - began < float(sys.argv[1]):
    connection.execute("INSERT INTO t (a) VALUES (?)", ("x" * 200,))
    commits += 1
    largest = max(largest, os.stat(path + "-wal").st_size)
    time.sleep(0.002)
print(commits, largest, connection.execute("SELECT max(id) FROM t").fetchone()[0])
"""

LAST_PAYMENT = """
import sqlite3
connection = sqlite3.connect("/data/sqlite/premium_system.db")
print(connection.execute("SELECT coalesce(max(id), 0) FROM payment_history").fetchone()[0])
"""
MIRRORED_PAYMENT = "SELECT coalesce(max(id), 0) FROM bot_premium_system.payment_history"

REPLACED_DATABASE = """
import os, shutil, sqlite3
folder, new = "/data/sqlite/", "/data/sqlite/.new"
shutil.copy(folder + "flood.db", new)
connection = sqlite3.connect(new)
connection.execute("INSERT INTO t VALUES (999999, 'x')")
connection.commit()
connection.close()
os.replace(new, folder + "flood.db")
"""

REPLACED_FOLDER = """
import pathlib, shutil, sys
folder = pathlib.Path("/data/json/of-a-user")
shutil.rmtree(folder, ignore_errors=True)
folder.mkdir()
new = folder / "one.json.new"
new.write_text('{"a": ' + sys.argv[1] + '}')
new.replace(folder / "one.json")
"""

ALL_INSTANCES = """
import ctypes, os, signal, time
library = ctypes.CDLL(None)
taken = 0
while True:
    before = taken
    while library.inotify_init1(0) >= 0:
        taken += 1
    if taken == before:
        print("taken", taken, flush=True)
        while True:  # the sidecar's own comes free when it is started anew
            library.inotify_init1(0)
            time.sleep(0.01)
    if os.fork():  # a process may have fewer files than the user may have instances: the next process goes on
        signal.pause()
    os.closerange(3, 1 << 20)
"""


@pytest.fixture(scope="module")
def live(new_stack: NewStack) -> Stack:
    """As a newcomer has it: on change, at most one run a second. The bot writes twenty times a second."""
    stack = new_stack("live", BACKUP_ON_CHANGE="on", BOT_UID=USER, BOT_GID=USER)
    stack.script("up")
    return stack


def in_bot(stack: Stack, code: str, *arguments: str) -> str:
    """The output of a Python program in the bot's container."""
    return stack.compose("exec", "-T", "bot", "python3", "-c", code, *arguments).stdout.strip()


def document(stack: Stack) -> dict[str, int]:
    found: dict[str, int] = json.loads(stack.as_root("cat", "/volumes/json/data.json").stdout)["counters"]
    return found


def mirrored_document(stack: Stack) -> dict[str, int]:
    query = "SELECT body->'counters' FROM sidemirror.documents_now WHERE source = 'bot' AND file = 'data.json'"
    found = stack.sql(query)
    return json.loads(found[0][0]) if found else {}


def payments(stack: Stack) -> int:
    """The last payment that the bot has written down."""
    return int(in_bot(stack, LAST_PAYMENT))


def number(stack: Stack, query: str) -> int:
    """What the query gives; 0 as long as there is no such table."""
    result = stack.try_sql(query)
    return int(result.stdout.strip() or 0) if result.returncode == 0 else 0


def runs(stack: Stack) -> int:
    return number(stack, "SELECT count(*) FROM sidemirror.runs WHERE kind = 'change'")


def status(stack: Stack) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stack.script("status", "--json", check=False).stdout)
    return found


def test_rows_and_documents_of_the_bot_are_in_postgres_within_seconds(live: Stack) -> None:
    for _ in range(3):
        paid = payments(live)
        poll("the rows", lambda paid=paid: number(live, MIRRORED_PAYMENT) >= paid, SECONDS)
        sent = document(live)["messages_sent"]
        poll("the document", lambda sent=sent: mirrored_document(live).get("messages_sent", 0) >= sent, SECONDS)
        poll("the bot writes on", lambda paid=paid: payments(live) > paid)
    assert status(live)["changes"] == "Changes are noticed when they are written"


def test_a_flood_into_a_new_database_is_coalesced_and_the_wal_does_not_grow(live: Stack) -> None:
    in_bot(live, FLOOD, "0.1")
    arrived = "SELECT coalesce(max(id), 0) FROM bot_flood.t"
    poll("the new database", lambda: number(live, arrived) > 0, SECONDS)
    before, began = runs(live), time.monotonic()
    commits, largest, last = map(int, in_bot(live, FLOOD, "8").split())
    poll("all of it", lambda: number(live, arrived) == last, SECONDS)
    made, seconds = runs(live) - before, time.monotonic() - began
    assert commits > 20 * made
    assert 3 <= made <= seconds / 0.75 + 2, f"{made} runs of {commits} commits in {seconds} s"
    assert largest < 1.5 * 4.2e6, "SQLite's own limit is 1,000 pages"


def test_a_file_that_is_replaced_and_a_folder_that_is_made_anew_are_noticed(live: Stack) -> None:
    query = "SELECT (body->'a')::int FROM sidemirror.documents_now WHERE source = 'bot' AND file = 'of-a-user/one.json'"
    for value in (1, 2, 3):
        in_bot(live, REPLACED_FOLDER, str(value))
        poll("it is there", lambda value=value: number(live, query) == value, SECONDS)
    in_bot(live, REPLACED_DATABASE)
    last = "SELECT max(id) FROM bot_flood.t"
    poll("the database in its place", lambda: number(live, last) == 999999, SECONDS)


@contextmanager
def no_inotify_left(stack: Stack) -> Iterator[None]:
    """A process that has all inotify instances that the kernel grants to the stack's user."""
    name = f"{stack.project}-greedy"
    started = ["docker", "run", "--detach", "--rm", "--init", "--name", name, "--network=none", f"--user={USER}:{USER}"]
    run([*started, "--entrypoint", "python3", f"sidemirror/bot:{TAG}", "-c", ALL_INSTANCES])
    try:
        poll("all are taken", lambda: re.search(r"taken \d+", run(["docker", "logs", name]).stdout))
        yield
    finally:
        run(["docker", "rm", "--force", name], check=False)


def cpu_seconds(stack: Stack) -> float:
    """What the processes of the sidecar's container have used of the processor."""
    pids = run(["docker", "top", stack.container("backup"), "-eo", "pid"]).stdout.split()[1:]
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / 100


def test_without_inotify_the_source_is_looked_at_every_second_and_that_is_said_until_it_is_over(live: Stack) -> None:
    with no_inotify_left(live):
        live.compose("restart", "backup")
        told = "Changes are looked for every 1 s, because this machine allows no more inotify watches"
        poll("status says it", lambda: str(status(live)["changes"]).startswith(told))
        assert told in live.script("status", check=False).stdout
        assert told in live.compose("logs", "backup").stdout
        doctor = live.script("doctor", check=False).stdout
        assert re.search(r"WRONG inotify: changes in /data/sqlite cannot be waited for: Too many open files", doctor)
        paid = payments(live)
        poll("rows are seen all the same", lambda: number(live, MIRRORED_PAYMENT) >= paid, SECONDS)
        live.compose("stop", "bot")
        idle(live)
    poll("the kernel tells again", lambda: "The kernel tells of changes again" in live.compose("logs", "backup").stdout)
    poll("status says it", lambda: status(live)["changes"] == "Changes are noticed when they are written")


def idle(stack: Stack) -> None:
    """Polling is no busy loop: at most 2 % of a core in five seconds, once what was written is mirrored."""
    poll("the last run", lambda: status(stack)["safe"])
    used: list[tuple[float, float]] = []

    def quiet() -> bool:
        used.append((time.monotonic(), cpu_seconds(stack)))
        past = [(at, cpu) for at, cpu in used if used[-1][0] - at >= 5]
        return bool(past) and used[-1][1] - past[-1][1] <= 0.02 * (used[-1][0] - past[-1][0])

    poll("five seconds with next to no work", quiet, 30)
