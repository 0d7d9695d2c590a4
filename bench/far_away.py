"""A target that is 100 ms away: a small run costs round trips, and goes on while restore points are thinned out."""

from __future__ import annotations

import time
from contextlib import closing
from pathlib import Path

from backup.config import BackupSettings
from backup.drill_process import DrillProcess
from backup.run import run
from backup.session import Session
from backup.upkeep import Upkeep
from bench import data
from bench.live import live
from bench.measure import Figure, median, percentile, spread
from bench.place import Place
from bench.service import SENT, sidecar
from bench.wire import counted
from mirror import settings

ROUND_TRIP = 0.1
CHANGED = 100
MOST_TRIPS = 4
RUNS = 60  # in each half of the comparison
MOST_RATIO = 1.5
POINTS = 3000


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
        *_beside_thinning_and_a_drill(place),
        Figure(
            f"{CHANGED} rows changed, {ROUND_TRIP * 1000:.0f} ms of latency: round trips",
            f"{median(trips):.0f}",
            f"commit to mirrored {spread(seconds)}",
            f"{MOST_TRIPS}",
            median(trips) <= MOST_TRIPS,
        ),
    ]


def _beside_thinning_and_a_drill(place: Place) -> list[Figure]:
    """The same small changes with nothing else, and while points are thinned out and a drill downloads."""
    database = place.folder / "sqlite" / "bench.db"
    with counted(ROUND_TRIP / 2) as wire:
        environ = wire.environ(place) | {"MIN_INTERVAL": "0", "DRILL_EVERY": "off"}
        config = settings.load(BackupSettings, environ)
        with closing(Session()) as session:
            alone = [_seconds(config, database, session) for _ in range(RUNS)]
        # Many points, each with a change of its own, all of one minute of yesterday.
        with closing(place.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(_MANY, {"points": POINTS})
            connection.commit()
        with closing(Session()) as session:
            drilling = DrillProcess(environ)
            thinning = Upkeep()
            thinning.begin(config)
            beside: list[float] = []
            drilled = thinned = 0
            while len(beside) < RUNS:
                drilled += not drilling.ended()
                thinned += thinning.is_on
                beside.append(_seconds(config, database, session))
            thinning.wait()
            drilling.result()
    ratio = percentile(beside, 0.99) / percentile(alone, 0.99)
    return [
        Figure(
            f"while {POINTS} points are thinned out and a drill downloads, a run's p99",
            f"{percentile(beside, 0.99):.2f} s",
            f"alone {percentile(alone, 0.99):.2f} s; {thinned} of {RUNS} runs beside thinning, {drilled} beside the drill",
            f"{MOST_RATIO} x",
            ratio <= MOST_RATIO,
        )
    ]


# Restore points that there were yesterday, made in the catalog: to make each by a run takes an hour at this distance.
_MANY = """
UPDATE sidemirror.runs SET run = run + 1000000, merged_after = merged_after + 1000000;
UPDATE sidemirror.sources SET last_run = last_run + 1000000;
UPDATE sidemirror.history SET run = run + 1000000;
INSERT INTO sidemirror.runs (source_id, run, token, kind, started_at, finished_at, rows_upserted, rows_deleted,
    documents_changed, target_bytes, merged_after)
SELECT s.id, 100000 + n, gen_random_uuid(), 'change', now() - interval '40 days',
    now() - interval '2 days' + n * interval '20 s', 1, 0, 0, 0, 100000 + n - 1
FROM sidemirror.sources AS s, generate_series(1, %(points)s) AS n;
INSERT INTO sidemirror.history (table_id, run, key, before)
SELECT t.id, 100000 + n, jsonb_build_array(k), jsonb_build_object('id', k)
FROM sidemirror.tables AS t, generate_series(1, %(points)s) AS n, generate_series(1, 5) AS k WHERE t.name = 'payments';
"""


def _seconds(config: BackupSettings, database: Path, session: Session) -> float:
    data.change(database, CHANGED)
    began = time.monotonic()
    run(config, "change", session=session)
    return time.monotonic() - began
