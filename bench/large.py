"""Ten times the rows, and a database of a gigabyte: memory at its first load, and what a small change costs then."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from bench import data
from bench.live import live
from bench.measure import Figure, median, spread
from bench.place import Place
from bench.service import sidecar
from bench.small_change import Change, changed
from bench.wire import counted

TIMES = 10
NOTES = 300  # megabytes of text beside 12.5 million rows make a gigabyte
MOST_RATIO = 3.0
MOST_BYTES = 200_000_000


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
    ]


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
