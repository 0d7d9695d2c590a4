"""Nothing changed in a database of 95 MB: how long a run takes, and what it sends."""

from __future__ import annotations

import time

from backup.config import BackupSettings
from backup.run import run
from bench import data, measure
from bench.live import live
from bench.measure import Figure, median, spread
from bench.place import Place
from bench.wire import counted
from mirror import settings

MEGABYTES_95 = 1.36  # times 1.25 million rows
RUNS = 30
MOST_MILLISECONDS = 100


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """One process that runs again and again, as the sidecar does, and processes of their own."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, int(rows * MEGABYTES_95) // 2)
    megabytes = database.stat().st_size / 1e6
    config = settings.load(BackupSettings, place.environ)
    with live(database):
        measure.run(place.environ, "backup", "once")
        with counted() as wire:
            _timed(settings.load(BackupSettings, wire.environ(place)), "run")
            sent, received, trips = wire.sent, wire.received, wire.round_trips
        inside = [_timed(config, "run") for _ in range(RUNS)]
        full = [_timed(config, "full") / 1000 for _ in range(rounds)]
        whole = [measure.run(place.environ, "backup", "once").seconds * 1000 for _ in range(rounds)]
    return [
        Figure(
            f"nothing changed in {megabytes:.0f} MB, a run in the sidecar",
            spread(inside, "ms", 0),
            "",
            f"{MOST_MILLISECONDS} ms",
            median(inside) <= MOST_MILLISECONDS,
        ),
        Figure("the same as a process of its own", spread(whole, "ms", 0)),
        Figure("a full run, which looks at everything all the same", spread(full)),
        Figure("on the wire, TLS and log-in included", f"{sent} bytes sent, {received} received, {trips} round trips"),
    ]


def _timed(config: BackupSettings, kind: str) -> float:
    began = time.monotonic()
    report = run(config, kind)
    assert not report.committed
    assert not report.refusals
    return (time.monotonic() - began) * 1000
