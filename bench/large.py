"""Ten times the rows, and a database of a gigabyte: what a small change costs then, and the memory of everything that
touches all of it: first load, all rows updated, VACUUM, the largest table dropped, restore, drill."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from bench import data
from bench.live import live
from bench.measure import Figure, Ran, median, run, spread
from bench.place import Place
from bench.service import sidecar
from bench.small_change import Change, changed
from bench.wire import counted

TIMES = 10
NOTES = 300  # megabytes of text beside 12.5 million rows make a gigabyte
MOST_RATIO = 3.0
MOST_BYTES = 200_000_000
CHANGES = {
    "all rows updated": "UPDATE payments SET rate = rate + 1; UPDATE message_owners SET note = note || '!'",
    "VACUUM": "VACUUM",
    "the largest table dropped": "DROP TABLE message_owners",
}


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """The usual number of rows first, then ten times as many."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, rows // 2)
    small, _ = _measured(place, database, rounds)
    place.empty()
    for file in database.parent.iterdir():
        file.unlink()
    data.make(database, rows * TIMES // 2)
    _add_notes(database, NOTES * rows // data.ROWS // 2)
    large, peak = _measured(place, database, rounds)
    ratio = median([one.seconds for one in large]) / median([one.seconds for one in small])
    size = database.stat().st_size
    return [
        Figure(
            f"memory at the first load of {size / 1e9:.2f} GB, with children",
            f"{peak / 1e6:.0f} MB",
            "",
            f"{MOST_BYTES / 1e6:.0f} MB",
            peak <= MOST_BYTES,
        ),
        Figure(
            f"100 of {rows * TIMES:,} rows changed, the run",
            spread([one.seconds * 1000 for one in large], "ms", 0),
            f"{ratio:.1f} x that of {rows:,} rows ({spread([one.seconds * 1000 for one in small], 'ms', 0)})",
            f"{MOST_RATIO:.0f} x",
            ratio <= MOST_RATIO,
        ),
        *_of_everything(place, database),
    ]


def _of_everything(place: Place, database: Path) -> list[Figure]:
    """Each in a process of its own; a process that runs on has its memory already."""
    environ = {**place.environ, "GUARD_SHRINK": "off"}
    found = []
    for what, statements in CHANGES.items():
        with closing(sqlite3.connect(database, isolation_level=None)) as connection:
            connection.executescript(statements)
        found.append(_memory(what, run(environ, "backup", "once")))
    into = place.folder / "restored"
    found.append(_memory("a restore", run(environ, "restore", "--yes", "--into", str(into))))
    shutil.rmtree(into)
    return [*found, _memory("a drill", run(environ, "backup", "drill"))]


def _memory(what: str, ran: Ran) -> Figure:
    return Figure(
        f"memory: {what}",
        f"{ran.peak_bytes / 1e6:.0f} MB",
        f"{ran.seconds:.0f} s",
        f"{MOST_BYTES / 1e6:.0f} MB",
        ran.peak_bytes <= MOST_BYTES,
    )


def _measured(place: Place, database: Path, rounds: int) -> tuple[list[Change], int]:
    """Changes one after the other, and the highest memory since the start."""
    with live(database), counted() as wire, sidecar(place, wire.environ(place), MIN_INTERVAL="0") as service:
        changes = [changed(service, wire, database) for _ in range(rounds + 1)][1:]
        return changes, max(service.memory)


def _add_notes(database: Path, megabytes: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("CREATE TABLE notes (id INTEGER PRIMARY KEY, body TEXT)")
        body = "What a person wrote to a bot, and how it answered. " * 20
        connection.executemany(
            "INSERT INTO notes (body) VALUES (?)", ((f"{n} {body}",) for n in range(megabytes * 1_000_000 // len(body)))
        )
        connection.commit()
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
