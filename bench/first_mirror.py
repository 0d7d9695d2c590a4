"""The first mirror of 1.25 million rows, against COPY of the same rows from a ready-made file, and against upserts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from bench import data, measure, peer
from bench.live import live
from bench.measure import Figure, median, spread
from bench.place import Place

MOST_RATIO = 2.0
MOST_BYTES = 200_000_000
UPSERT_SHARE = 10


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """Alternates: COPY, then Sidemirror, in each round; the upserts once, on a tenth of the rows."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, rows // 2)
    peer.write_copy_files(database, place.folder)
    runs: list[measure.Ran] = []
    copies: list[float] = []
    with live(database):
        for _ in range(rounds):
            copies.append(_copy(place))
            place.empty()
            runs.append(measure.run(place.environ, "backup", "once"))
    upserts = _upsert(place, database)
    own = [run.last_sync()[2] for run in runs]
    ratio = median([mine / limit for mine, limit in zip(own, copies, strict=True)])
    whole = median([run.seconds / limit for run, limit in zip(runs, copies, strict=True)])
    peak = max(run.peak_bytes for run in runs)
    sent = runs[0].last_sync()[1]
    return [
        Figure(f"COPY of {rows:,} rows from a ready-made file (the limit)", spread(copies)),
        Figure("first mirror, the run", spread(own), f"{ratio:.2f} x COPY", f"{MOST_RATIO} x", ratio <= MOST_RATIO),
        Figure("first mirror, the whole process", spread([run.seconds for run in runs]), f"{whole:.2f} x COPY"),
        Figure(
            f"upserts with execute_values (a tenth measured, times {UPSERT_SHARE})",
            f"{upserts:.1f} s",
            f"{upserts / median(own):.1f} x the first mirror",
        ),
        Figure("memory at its highest, with children", f"{peak / 1e6:.0f} MB", "", "200 MB", peak <= MOST_BYTES),
        Figure("sent", f"{sent / 1e6:.1f} MB"),
    ]


def _copy(place: Place) -> float:
    place.empty()
    with closing(place.connect()) as connection:
        peer.make_tables(connection)
        return peer.copy_in(connection, place.folder)


def _upsert(place: Place, database: Path) -> float:
    place.empty()
    with closing(place.connect()) as connection:
        peer.make_tables(connection)
        return peer.upsert(connection, database, UPSERT_SHARE)
