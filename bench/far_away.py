"""A small run when the target is 100 ms away: what it costs is round trips."""

from __future__ import annotations

import time

from bench import data
from bench.live import live
from bench.measure import Figure, median, spread
from bench.place import Place
from bench.service import SENT, sidecar
from bench.wire import counted

ROUND_TRIP = 0.1
CHANGED = 100
MOST_TRIPS = 4


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """The sidecar mirrors over the long way; then rows change, and the next run is looked at."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, rows // 10 // 2)
    trips: list[int] = []
    seconds: list[float] = []
    with (
        live(database),
        counted(ROUND_TRIP / 2) as wire,
        sidecar(place, wire.environ(place), MIN_INTERVAL="0") as service,
    ):
        for _ in range(rounds):
            time.sleep(1)  # what the run before still had to do
            runs = len(service.said(SENT))
            wire.reset()
            began = time.monotonic()
            data.change(database, CHANGED)
            ended = service.wait_for(SENT, runs + 1)
            seconds.append(time.monotonic() - began)
            trips.append(wire.round_trips)
            assert int(ended[1]) == CHANGED, ended[0]
    return [
        Figure(
            f"{CHANGED} rows changed, {ROUND_TRIP * 1000:.0f} ms of latency: round trips",
            f"{median(trips):.0f}",
            f"commit to mirrored {spread(seconds)}",
            f"{MOST_TRIPS}",
            median(trips) <= MOST_TRIPS,
        )
    ]
