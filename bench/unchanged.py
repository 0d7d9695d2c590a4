"""Nothing changed in a database of 95 MB: what a look takes, and what it sends."""

from __future__ import annotations

import time
from collections.abc import Callable

from backup.config import BackupSettings
from backup.run import run
from backup.session import Session
from bench import data, measure
from bench.live import live
from bench.measure import Figure, median, spread
from bench.place import Place
from bench.wire import counted
from mirror import settings

MEGABYTES_95 = 1.36  # times 1.25 million rows
LOOKS = 100
MOST_MILLISECONDS = 2


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """One process that looks again and again, as the sidecar does, and programs of their own."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, int(rows * MEGABYTES_95) // 2)
    megabytes = database.stat().st_size / 1e6
    with live(database), counted() as wire:
        config = settings.load(BackupSettings, wire.environ(place))
        session = Session()
        for _ in range(2):  # a file that was just written to is looked at twice
            run(config, "run", session=session)
        wire.reset()
        looks = [_timed(lambda: session.look(config)) for _ in range(LOOKS)]
        sent = wire.sent
        runs = [_timed(lambda: run(config, "run", session=session)) for _ in range(rounds)]
        trips = wire.round_trips / rounds
        session.close()
        full = [_timed(lambda: run(config, "full")) / 1000 for _ in range(rounds)]
        whole = [measure.run(place.environ, "backup", "once").seconds * 1000 for _ in range(rounds)]
    return [
        Figure(
            f"nothing changed in {megabytes:.0f} MB, a look",
            spread(looks, "ms", 2),
            f"{sent} bytes sent",
            f"{MOST_MILLISECONDS} ms, nothing sent",
            median(looks) <= MOST_MILLISECONDS and not sent,
        ),
        Figure("a run all the same, in the sidecar", spread(runs, "ms", 0), f"{trips:.0f} round trips"),
        Figure("a run as a process of its own", spread(whole, "ms", 0)),
        Figure("a full run, which looks at everything and checks it", spread(full)),
    ]


def _timed(work: Callable[[], object]) -> float:
    """Milliseconds."""
    began = time.monotonic()
    work()
    return (time.monotonic() - began) * 1000
