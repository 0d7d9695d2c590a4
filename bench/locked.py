"""How long a bot outside of WAL mode waits for the sidecar: the longest in which it could not get the file for itself."""

from __future__ import annotations

import select
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from statistics import median

from backup import snapshot
from bench import data
from bench.measure import Figure, spread
from bench.place import Place

MEGABYTES_95 = 1.36  # times 1.25 million rows
MOST_MILLISECONDS = 10.0


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """SQLite's own backup first; then ours, beside a bot that wants the file and one that writes without a pause."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, int(rows * MEGABYTES_95) // 2)
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")
    megabytes = database.stat().st_size / 1e6
    into = place.folder / "state" / "copy.sqlite"

    def waited(kind: str, copy: Callable[[Path, Path], object]) -> list[float]:
        return [_waited(database, kind, lambda: copy(database, into)) for _ in range(rounds)]

    backup, quiet, busy = waited("ask", _backup), waited("ask", _take), waited("write", _take)
    snapshot.remove(into)
    return [
        Figure(
            f"a copy of {megabytes:.0f} MB: how long a bot waits for the file at the most",
            spread(quiet, "ms", 1),
            f"{spread(backup, 'ms', 0)} with SQLite's backup",
            f"{MOST_MILLISECONDS:.0f} ms",
            median(quiet) <= MOST_MILLISECONDS,
        ),
        Figure("the same beside a bot that writes without a pause", spread(busy, "ms", 0)),
    ]


def _backup(database: Path, into: Path) -> None:
    into.unlink(missing_ok=True)
    with (
        closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(into)) as copy,
    ):
        source.backup(copy)


def _take(database: Path, into: Path) -> None:
    snapshot.take(database, into, full_check=False)


def _waited(database: Path, kind: str, work: Callable[[], object]) -> float:
    """Milliseconds: the longest that a bot, which tries again at once, had to wait while the work was done."""
    command = [sys.executable, "-m", "bench.locked", str(database), kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as bot:
        assert bot.stdout is not None
        bot.stdout.readline()
        work()
        return float(bot.communicate()[0])


def _bot(database: str, kind: str) -> None:
    """Asks for the file until its standard input ends, and says for how long it did not get it."""
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    statement = "UPDATE payments SET rate = rate + 1 WHERE id = 1" if kind == "write" else "ROLLBACK"
    longest = 0.0
    with closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        while not select.select([sys.stdin], [], [], 0)[0]:
            since = time.monotonic()
            while not _got(connection, statement):
                time.sleep(0.0001)
            longest = max(longest, time.monotonic() - since)
            time.sleep(0.0002)
    print(longest * 1000)


def _got(connection: sqlite3.Connection, statement: str) -> bool:
    try:
        connection.execute("BEGIN EXCLUSIVE")
    except sqlite3.OperationalError:
        return False
    connection.execute(statement)
    if connection.in_transaction:
        connection.execute("COMMIT")
    return True


if __name__ == "__main__":
    _bot(sys.argv[1], sys.argv[2])
