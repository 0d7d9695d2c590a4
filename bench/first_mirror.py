"""The first mirror of 1.25 million rows, against COPY of the same rows from a ready-made file and against other ways."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from bench import data, measure, peer
from bench.live import live
from bench.measure import Bar, Figure, median, spread
from bench.place import Place

MOST_RATIO = 1.25
LEAST_OVER_PGLOADER, LEAST_OVER_UPSERT = 2.5, 8.0
MOST_BYTES = 200_000_000
UPSERT_SHARE = 10
CHART = "First mirror, seconds"


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """Alternates: COPY, Sidemirror, ADBC in each round; pgloader and the upserts (a tenth of the rows) once."""
    from bench import arrow  # the driver is in the benches' own image only; other benches run in the tests' too

    database = place.folder / "sqlite" / "bench.db"
    data.make(database, rows // 2)
    peer.write_copy_files(database, place.folder)
    runs: list[measure.Ran] = []
    copies: list[float] = []
    ingests: list[float] = []
    with live(database):
        for _ in range(rounds):
            copies.append(_peer(place, lambda: _copy(place)))
            ingests.append(_peer(place, lambda: arrow.ingest(place, database)))
            place.empty()
            runs.append(measure.run(place.environ, "backup", "once"))
        stored = _stored(place)
    pgloader = _peer(place, lambda: peer.pgloader(place, database), tables=False)
    upserts = _peer(place, lambda: _upsert(place, database))
    own = [run.last_sync()[2] for run in runs]
    ratio = median([mine / limit for mine, limit in zip(own, copies, strict=True)])
    whole = median([run.seconds / limit for run, limit in zip(runs, copies, strict=True)])
    peak = max(run.peak_bytes for run in runs)
    sent = runs[0].last_sync()[1]
    size = database.stat().st_size
    return [
        Figure(
            f"COPY of {rows:,} rows from a ready-made file (the limit)",
            spread(copies),
            bar=Bar(CHART, "COPY from a ready-made file", median(copies)),
        ),
        Figure(
            "first mirror, the run",
            spread(own),
            f"{ratio:.2f} x COPY",
            f"{MOST_RATIO} x",
            ratio <= MOST_RATIO,
            Bar(CHART, "Sidemirror", median(own), ours=True),
        ),
        Figure("first mirror, the whole process", spread([run.seconds for run in runs]), f"{whole:.2f} x COPY"),
        Figure(
            "ADBC ingest (reads SQLite by Python into Arrow)",
            spread(ingests),
            f"{median(ingests) / median(own):.1f} x the first mirror",
            bar=Bar(CHART, "ADBC ingest", median(ingests)),
        ),
        Figure(
            "pgloader, the whole process",
            f"{pgloader:.1f} s",
            f"{pgloader / median(own):.1f} x the first mirror",
            f"{LEAST_OVER_PGLOADER} x",
            pgloader / median(own) >= LEAST_OVER_PGLOADER,
            Bar(CHART, "pgloader", pgloader),
        ),
        Figure(
            f"upserts with execute_values (a tenth measured, times {UPSERT_SHARE})",
            f"{upserts:.1f} s",
            f"{upserts / median(own):.1f} x the first mirror",
            f"{LEAST_OVER_UPSERT:.0f} x",
            upserts / median(own) >= LEAST_OVER_UPSERT,
            Bar(CHART, "upserts", upserts),
        ),
        Figure("memory at its highest, with children", f"{peak / 1e6:.0f} MB", "", "200 MB", peak <= MOST_BYTES),
        Figure("sent", f"{sent / 1e6:.1f} MB"),
        Figure(
            "stored in the target, indexes included",
            f"{stored / rows:.0f} bytes a row",
            f"the SQLite file: {size / rows:.0f} bytes a row ({stored / size:.1f} x)",
        ),
    ]


def _peer(place: Place, load: Callable[[], float], tables: bool = True) -> float:
    place.empty()
    if tables:
        with closing(place.connect()) as connection:
            peer.make_tables(connection)
    return load()


def _copy(place: Place) -> float:
    with closing(place.connect()) as connection:
        return peer.copy_in(connection, place.folder)


def _upsert(place: Place, database: Path) -> float:
    with closing(place.connect()) as connection:
        return peer.upsert(connection, database, UPSERT_SHARE)


def _stored(place: Place) -> int:
    """Bytes of the mirrored tables with their indexes and what is stored beside them."""
    with closing(place.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
            "WHERE n.nspname = 'bench_bench' AND c.relkind = 'r'"
        )
        return int(cursor.fetchone()[0])
