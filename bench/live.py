"""A bot that is there: another process that keeps the database open, as bots do, and so its WAL and WAL index."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_BOT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1])
connection.execute("UPDATE payments SET status = status WHERE id = 1")
connection.commit()
print("open", flush=True)
sys.stdin.read()
"""


@contextmanager
def live(database: Path) -> Iterator[None]:
    """The database is open elsewhere for the length of the block."""
    with subprocess.Popen(
        [sys.executable, "-c", _BOT, str(database)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bot:
        assert bot.stdout is not None
        bot.stdout.readline()
        try:
            yield
        finally:
            bot.communicate()
