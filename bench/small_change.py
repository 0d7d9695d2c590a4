"""A hundred rows changed of 1.25 million: seconds, bytes and round trips, against upserting everything again."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bench import data, measure, peer
from bench.live import live
from bench.measure import Bar, Figure, median, spread
from bench.place import Place
from bench.service import SENT, Service, sidecar
from bench.wire import Wire, counted

CHANGED = 100
MOST_SECONDS = 0.15
LEAST_OVER_UPSERT = 100
# What a changed row may cost on the wire, before-image and all. A row of this data is 60 bytes as text.
MOST_BYTES_A_ROW = 2000
UPSERT_SHARE = 10
CHART = "Small change: 100 of 1.25 million rows, seconds"


@dataclass(frozen=True)
class Change:
    """One run after a change, as the sidecar told it, and what went over the wire."""

    seconds: float
    sent: int
    received: int
    trips: int


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """The sidecar mirrors once; then each round changes rows and it wakes."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, rows // 2)
    full: list[float] = []
    with live(database), counted() as wire, sidecar(place, wire.environ(place), MIN_INTERVAL="0") as service:
        changes = [changed(service, wire, database) for _ in range(rounds + 1)][1:]
        for _ in range(rounds):
            full.append(_full(place, database))
    with closing(place.connect()) as connection:
        peer.make_tables(connection)
        peer.upsert(connection, database, UPSERT_SHARE)  # so that the next one meets its rows
        upserts = peer.upsert(connection, database, UPSERT_SHARE)
    own = median([one.seconds for one in changes])
    sent = median([one.sent for one in changes])
    return [
        Figure(
            f"{CHANGED} of {rows:,} rows changed, the run",
            spread([one.seconds * 1000 for one in changes], "ms", 0),
            "",
            f"{MOST_SECONDS * 1000:.0f} ms",
            own <= MOST_SECONDS,
            Bar(CHART, "Sidemirror", own, ours=True),
        ),
        Figure(
            "upserting all of it again (a tenth measured)",
            f"{upserts:.1f} s",
            f"{upserts / own:.0f} x the run",
            f"{LEAST_OVER_UPSERT} x",
            upserts / own >= LEAST_OVER_UPSERT,
            Bar(CHART, "upserts", upserts),
        ),
        Figure(
            "a full run after such a change: every row compared, all of it checked and hashed",
            spread(full),
            bar=Bar(CHART, "Sidemirror, a full run", median(full), ours=True),
        ),
        Figure(
            "sent on the wire, TLS included",
            f"{sent / 1000:.1f} kB",
            f"{sent / CHANGED:.0f} bytes a changed row",
            f"{MOST_BYTES_A_ROW} bytes a row",
            sent <= CHANGED * MOST_BYTES_A_ROW,
        ),
        Figure("received", f"{median([one.received for one in changes]) / 1000:.1f} kB"),
        Figure("round trips", f"{median([one.trips for one in changes]):.0f}"),
    ]


def changed(service: Service, wire: Wire, database: Path, rows: int = CHANGED) -> Change:
    """Changes rows and waits for the run that mirrors them."""
    runs = len(service.said(SENT))
    wire.reset()
    data.change(database, rows)
    told = service.wait_for(SENT, runs + 1)
    return Change(float(told[3]), wire.sent, wire.received, wire.round_trips)


def _full(place: Place, database: Path) -> float:
    """A full run by hand, right after a change, and before or after the sidecar's own run."""
    data.change(database, CHANGED)
    ran = measure.run(place.environ, "backup", "once", "--full")
    return ran.last_sync()[2]
