"""A restore of 1.25 million rows, verified, against a bare COPY of the same rows out of Postgres, pg_dump and Litestream."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

from bench import data, measure, peer
from bench.measure import Bar, Figure, median, spread
from bench.place import Place
from bench.service import litestream

MOST_RATIO = 6.0
MOST_BYTES = 200_000_000
CHART = "Restore, seconds"


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """Alternates: COPY to nowhere, pg_dump to nowhere, the restore into a folder, Litestream's restore."""
    database = place.folder / "sqlite" / "bench.db"
    data.make(database, rows // 2)
    measure.run(place.environ, "backup", "once")
    replica = place.folder / "replica"
    with litestream(database, replica):
        pass
    scratch = place.folder / "into"
    copies: list[float] = []
    dumps: list[float] = []
    runs: list[measure.Ran] = []
    theirs: list[measure.Ran] = []
    for _ in range(rounds):
        with closing(place.connect()) as connection:
            copies.append(peer.copy_out(connection, "bench_bench"))
        dumps.append(peer.pg_dump(place, "bench_bench"))
        runs.append(measure.run(place.environ, "restore", "--yes", "--into", str(scratch)))
        shutil.rmtree(scratch)
        theirs.append(_litestream_restore(replica, place.folder / "again.db"))
    whole = [run.seconds for run in runs]
    ratio = median([mine / limit for mine, limit in zip(whole, copies, strict=True)])
    peak = max(run.peak_bytes for run in runs)
    return [
        Figure(
            f"COPY of {rows:,} rows out of Postgres, to nowhere (the limit)",
            spread(copies),
            bar=Bar(CHART, "COPY to nowhere", median(copies)),
        ),
        Figure(
            "restore into a folder, integrity checked and content compared",
            spread(whole),
            f"{ratio:.1f} x COPY",
            f"{MOST_RATIO:.0f} x",
            ratio <= MOST_RATIO,
            Bar(CHART, "Sidemirror, verified", median(whole), ours=True),
        ),
        Figure("memory at its highest, with children", f"{peak / 1e6:.0f} MB", "", "200 MB", peak <= MOST_BYTES),
        Figure(
            "pg_dump of the mirror to nowhere",
            spread(dumps),
            f"{median(dumps) / median(copies):.1f} x COPY",
            bar=Bar(CHART, "pg_dump to nowhere", median(dumps)),
        ),
        Figure(
            "Litestream restore from a folder of the same disk (pages, not rows; not verified)",
            spread([run.seconds for run in theirs]),
            f"{max(run.peak_bytes for run in theirs) / 1e6:.0f} MB",
            bar=Bar(CHART, "Litestream, local files", median([run.seconds for run in theirs])),
        ),
    ]


def _litestream_restore(replica: Path, into: Path) -> measure.Ran:
    ran = measure.program("litestream", "restore", "-o", str(into), f"file://{replica}")
    for file in into.parent.glob(f"{into.name}*"):
        file.unlink()
    return ran
