"""A sidecar that has nothing to do: processor and memory of its container, against Litestream.

Its processes are supervisord, the scheduler, the watch that sends alerts, and the listener that ends the container. The
status page is a container of its own, with a figure of its own (page.py).
"""

from __future__ import annotations

import time

from bench import data
from bench.live import live
from bench.measure import Figure, cpu_seconds, memory
from bench.place import Place
from bench.service import Service, litestream, supervised

MOST_CPU, MOST_BYTES = 0.5, 120_000_000


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """One after the other beside the same idle bot, half a minute each."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, rows // 2)
    seconds = 30.0 if rounds > 1 else 1.0
    with live(database):
        with supervised(place) as service:
            cpu, occupied = _usage(service, seconds)
        with litestream(database, place.folder / "replica") as service:
            their_cpu, their_occupied = _usage(service, seconds)
    return [
        Figure(
            "idle, processor: scheduler, watch, supervisor",
            f"{cpu:.2f} % of a core",
            f"Litestream {their_cpu:.2f} %",
            f"{MOST_CPU} %",
            cpu <= MOST_CPU,
        ),
        Figure(
            "idle, memory: scheduler, watch, supervisor, shared pages counted once",
            f"{occupied / 1e6:.0f} MB",
            f"Litestream {their_occupied / 1e6:.0f} MB",
            f"{MOST_BYTES / 1e6:.0f} MB",
            occupied <= MOST_BYTES,
        ),
    ]


def _usage(service: Service, seconds: float) -> tuple[float, int]:
    """Percent of a core, and bytes."""
    time.sleep(min(5.0, seconds))  # what follows a first run
    before = cpu_seconds(service.pid)
    time.sleep(seconds)
    return (cpu_seconds(service.pid) - before) / seconds * 100, memory(service.pid)
