"""A bot in a process of its own: it writes to a database until it is stopped or killed."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# Each transaction moves an amount between two rows and writes it down, so that a torn snapshot shows as a wrong sum.
WRITER = """
import itertools, random, sqlite3, sys
path, mode, reopen = sys.argv[1], sys.argv[2], sys.argv[3] == "reopen"
def open_it():
    connection = sqlite3.connect(path, isolation_level=None, timeout=20)
    connection.execute(f"PRAGMA journal_mode = {mode}")
    return connection
connection = open_it()
connection.execute("CREATE TABLE IF NOT EXISTS account (id INTEGER PRIMARY KEY, amount INTEGER)")
connection.execute("CREATE TABLE IF NOT EXISTS log (id INTEGER PRIMARY KEY AUTOINCREMENT, note TEXT)")
connection.execute("INSERT OR IGNORE INTO account SELECT value, 1000 FROM json_each('[1, 2, 3, 4]')")
print("ready", flush=True)
for number in itertools.count():
    a, b = random.sample((1, 2, 3, 4), 2)
    connection.execute("BEGIN IMMEDIATE")
    connection.execute("UPDATE account SET amount = amount - 1 WHERE id = ?", [a])
    connection.execute("INSERT INTO log (note) VALUES (?)", ["x" * random.randrange(3000)])
    connection.execute("UPDATE account SET amount = amount + 1 WHERE id = ?", [b])
    connection.execute("COMMIT")
    if number % 50 == 49:
        connection.execute("DELETE FROM log WHERE id < (SELECT max(id) FROM log) - 40")
    if reopen and number % 20 == 19:
        connection.close()
        connection = open_it()
"""


@contextmanager
def process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """A Python script that has said its first line, killed at the end."""
    started = subprocess.Popen([sys.executable, "-c", script, *arguments], stdout=subprocess.PIPE, text=True)
    try:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        yield started
    finally:
        started.kill()
        started.wait()
        if started.stdout is not None:
            started.stdout.close()


@contextmanager
def writing(path: Path, mode: str = "WAL", reopen: bool = False) -> Iterator[subprocess.Popen[str]]:
    with process(WRITER, str(path), mode, "reopen" if reopen else "stay") as started:
        yield started


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Waits for the condition; fails when the time is up."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"still not after {seconds} s: {condition}"
        time.sleep(0.02)
