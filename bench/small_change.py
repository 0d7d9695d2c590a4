"""A hundred rows changed of 1.25 million: seconds, bytes and round trips, against upserting everything again."""

from __future__ import annotations

from contextlib import closing

from bench import data, measure, peer
from bench.live import live
from bench.measure import Figure, median, spread
from bench.place import Place
from bench.wire import Wire, counted

CHANGED = 100
MOST_SECONDS = 3.0
# What a changed row may cost on the wire, before-image and all. A row of this data is 60 bytes as text.
MOST_BYTES_A_ROW = 2000
UPSERT_SHARE = 10


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """Mirrors once; then each round changes rows and runs."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, rows // 2)
    runs: list[measure.Ran] = []
    wires: list[tuple[int, int, int]] = []
    with live(database), counted() as wire:
        measure.run(place.environ, "backup", "once")
        idle = _trips_of_nothing(place, wire)
        for _ in range(rounds):
            data.change(database, CHANGED)
            wire.reset()
            runs.append(measure.run(wire.environ(place), "backup", "once"))
            wires.append((wire.sent, wire.received, wire.round_trips))
    with closing(place.connect()) as connection:
        peer.make_tables(connection)
        peer.upsert(connection, database, UPSERT_SHARE)  # so that the next one meets its rows
        upserts = peer.upsert(connection, database, UPSERT_SHARE)
    own = [run.last_sync()[2] for run in runs]
    sent = median([one for one, _, _ in wires])
    return [
        Figure(
            f"{CHANGED} of {rows:,} rows changed, the run",
            spread(own),
            f"{upserts / median(own):.0f} x faster than upserting all",
            f"{MOST_SECONDS:.0f} s",
            median(own) <= MOST_SECONDS,
        ),
        Figure("the whole process", spread([run.seconds for run in runs])),
        Figure("upserting all of it again (a tenth measured)", f"{upserts:.1f} s"),
        Figure(
            "sent on the wire, TLS and log-in included",
            f"{sent / 1000:.1f} kB",
            f"{sent / CHANGED:.0f} bytes a changed row",
            f"{MOST_BYTES_A_ROW} bytes a row",
            sent <= CHANGED * MOST_BYTES_A_ROW,
        ),
        Figure("received", f"{median([one for _, one, _ in wires]) / 1000:.1f} kB"),
        Figure(
            "round trips, TLS and log-in included",
            f"{median([one for _, _, one in wires]):.0f}",
            f"{idle} of them when nothing changed",
        ),
        Figure("memory at its highest", f"{max(run.peak_bytes for run in runs) / 1e6:.0f} MB"),
    ]


def _trips_of_nothing(place: Place, wire: Wire) -> int:
    wire.reset()
    measure.run(wire.environ(place), "backup", "once")
    return wire.round_trips
