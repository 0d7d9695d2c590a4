"""Two hundred bots in one Postgres: runs a second, connections, and what a run costs the target.

Two hundred sidecars do not fit this machine's memory, so a few processes make the runs of all of them, one after the other:
what each run asks of the target is the same. The target's processor time is read from /proc, where its processes can be
seen (`--pid container:…`, as ./sidemirror bench does); otherwise that line is left out.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench import data
from bench.measure import Figure, median, percentile
from bench.place import Place, connect

SOURCES, ROWS_EACH = 200, 36_000  # 36,000 rows are 2 MB
WORKERS = 4
CHANGED = 20


@dataclass(frozen=True)
class Fleet:
    """What all workers did: seconds of each run, the time from first to last, connections at their highest."""

    took: list[float]
    seconds: float
    connections: int
    target_cpu: float | None


def figures(place: Place, rounds: int, _rows: int) -> list[Figure]:
    """Every source is mirrored once; then each changes and runs, over and over."""
    sources = SOURCES if rounds > 1 else 6
    original = place.folder / "original.db"
    data.make(original, (ROWS_EACH if rounds > 1 else 600) // 2)
    for number in range(sources):
        folder = place.folder / "fleet" / str(number)
        for name in ("sqlite", "json", "state"):
            (folder / name).mkdir(parents=True)
        shutil.copy(original, folder / "sqlite" / "bench.db")
    first = _all(place, sources, 1, change=False)
    small = _all(place, sources, min(rounds, 3), change=True)
    size = original.stat().st_size / 1e6
    with closing(place.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*), pg_database_size(current_database()) FROM pg_class")
        relations, stored = cursor.fetchone()
    rate = len(small.took) / small.seconds
    return [
        Figure(f"{sources} sources of {size:.1f} MB in one Postgres, first mirrors", f"{first.seconds:.1f} s"),
        Figure(
            f"runs of {CHANGED} changed rows each, {WORKERS} at a time",
            f"{rate:.0f} a second",
            f"a run p50 {median(small.took) * 1000:.0f} ms, p99 {percentile(small.took, 0.99) * 1000:.0f} ms",
        ),
        Figure("connections of the target at their highest", f"{small.connections}"),
        Figure("processor time of the target", *_cpu(small)),
        Figure(
            "relations, and size of the target",
            f"{relations:,}",
            f"{stored / 1e6:.0f} MB, {stored / sources / 1e6:.1f} MB a source",
        ),
    ]


def _cpu(fleet: Fleet) -> tuple[str, str]:
    if fleet.target_cpu is None:
        return "not seen", "its processes are in another container"
    share = fleet.target_cpu / fleet.seconds * 100
    return f"{fleet.target_cpu / len(fleet.took) * 1000:.1f} ms a run", f"{share:.0f} % of a core meanwhile"


def _all(place: Place, sources: int, rounds: int, change: bool) -> Fleet:
    command = [sys.executable, "-m", "bench.fleet"]
    before, began = _target_cpu(), time.monotonic()
    with _connections(place) as seen:
        workers = [
            subprocess.Popen([*command, *map(str, share)], env=place.environ, stdout=subprocess.PIPE, text=True)
            for share in ((place.folder / "fleet", number, sources, rounds, int(change)) for number in range(WORKERS))
        ]
        outputs = [worker.communicate()[0] for worker in workers]
    if any(worker.returncode for worker in workers):
        raise SystemExit("a worker of the fleet failed")
    seconds = time.monotonic() - began
    after = _target_cpu()
    took = [one for output in outputs for one in json.loads(output)]
    return Fleet(took, seconds, max(seen), after - before if before is not None and after is not None else None)


def _target_cpu() -> float | None:
    """Processor seconds of everything called postgres or pgbouncer that can be seen."""
    total, found = 0.0, False
    for folder in Path("/proc").iterdir():
        try:
            if folder.name.isdigit() and (folder / "comm").read_text().strip() in ("postgres", "pgbouncer"):
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
                total += sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
                found = True
        except OSError:
            continue
    return total if found else None


@contextmanager
def _connections(place: Place) -> Iterator[list[int]]:
    """How many server processes work for this database, looked at again and again."""
    seen = [0]
    done = threading.Event()

    def look() -> None:
        with closing(connect()) as connection, connection.cursor() as cursor:
            while not done.wait(0.1):
                cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE datname = %s", (place.database,))
                seen.append(int(cursor.fetchone()[0]))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()


def work(folder: Path, number: int, sources: int, rounds: int, change: bool) -> list[float]:
    """One worker: its share of the sources, in turns."""
    from backup.config import BackupSettings
    from backup.run import run
    from mirror import settings

    took = []
    for round_number in range(rounds):
        for source in range(number, sources, WORKERS):
            home = folder / str(source)
            environ = dict(os.environ) | {
                "SOURCE_NAME": f"bot{source}",
                "SQLITE_DIR": str(home / "sqlite"),
                "JSON_DIR": str(home / "json"),
                "STATE_DIR": str(home / "state"),
                "NOTES_DIR": str(home / "notes"),
            }
            if change:
                _change(home / "sqlite" / "bench.db", round_number)
            began = time.monotonic()
            report = run(settings.load(BackupSettings, environ), "run")
            took.append(time.monotonic() - began)
            assert report.committed
    return took


def _change(database: Path, round_number: int) -> None:
    with closing(sqlite3.connect(database)) as connection:
        connection.execute(
            f"UPDATE payments SET status = status || '!' WHERE id % 7 = ? AND id <= {CHANGED * 7}", (round_number,)
        )
        connection.commit()


if __name__ == "__main__":
    place_of, *rest = sys.argv[1:]
    number_of, sources_of, rounds_of, change_of = map(int, rest)
    sys.stdout.write(json.dumps(work(Path(place_of), number_of, sources_of, rounds_of, bool(change_of))))
