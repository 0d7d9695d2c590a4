"""A restore of 1.25 million rows, verified, against a bare COPY of the same rows out of Postgres."""

from __future__ import annotations

import shutil
from contextlib import closing

from bench import data, measure, peer
from bench.measure import Figure, median, spread
from bench.place import Place


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """Alternates: COPY to nowhere, then the restore into a folder."""
    data.make(place.folder / "sqlite" / "bench.db", rows // 2)
    measure.run(place.environ, "backup", "once")
    scratch = place.folder / "into"
    copies: list[float] = []
    runs: list[measure.Ran] = []
    for _ in range(rounds):
        with closing(place.connect()) as connection:
            copies.append(peer.copy_out(connection, "bench_bench"))
        runs.append(measure.run(place.environ, "restore", "--yes", "--into", str(scratch)))
        shutil.rmtree(scratch)
    whole = [run.seconds for run in runs]
    ratio = median([mine / limit for mine, limit in zip(whole, copies, strict=True)])
    return [
        Figure(f"COPY of {rows:,} rows out of Postgres, to nowhere", spread(copies)),
        Figure("restore into a folder, checked and compared", spread(whole), f"{ratio:.2f} x COPY"),
        Figure("memory at its highest", f"{max(run.peak_bytes for run in runs) / 1e6:.0f} MB"),
    ]
