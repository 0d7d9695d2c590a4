"""What a bot that writes notices of a program beside it, and how far behind its copy is: alone, Sidemirror, Litestream."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bench import data, lag, writer
from bench.measure import Bar, Figure, cpu_seconds, median, percentile
from bench.place import Place
from bench.service import litestream, sidecar

SHARE = 10  # of the rows: 125,000, more than most bots have
LATENCY_RATE, WAL_RATE = 200, 500
RATES = (10, LATENCY_RATE, WAL_RATE)
MOST_P50, MOST_P99, MOST_P50_AT_ONCE = 0.5, 1.5, 0.1
MOST_LATENCY, MOST_WAL = 1.1, 1.5


@dataclass(frozen=True)
class Seen:
    written: writer.Written
    lags: list[float]
    cpu: float  # of one core

    @property
    def p99(self) -> float:
        return percentile(self.written.took, 0.99)


Way = Callable[[Place, Path, int, float], Seen]


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """In each round every way at every rate, each with a new copy of the database."""
    original = place.folder / "original.db"
    data.make(original, rows // SHARE // 2)
    seconds = 10.0 if rounds > 1 else 0.5
    rounds = min(rounds, 3)
    ways: dict[str, Way] = {
        "alone": _alone,
        "sidecar": _sidecar,
        "at once": _at_once,
        "not watched": _not_watched,
        "Litestream": _litestream,
    }
    seen: dict[tuple[str, int], list[Seen]] = {}
    for _ in range(rounds):
        for rate in RATES:
            for name, way in ways.items():
                if (name == "at once" and rate == WAL_RATE) or (name == "not watched" and rate != LATENCY_RATE):
                    continue
                database = _fresh(place, original)
                seen.setdefault((name, rate), []).append(way(place, database, rate, seconds))
    return [*_lag(seen), *_latency(seen), *_wal(seen), *_cpu(seen)]


def _fresh(place: Place, original: Path) -> Path:
    place.empty()
    for old in place.folder.glob("sqlite/*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for old in place.folder.glob("replica*"):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    return Path(shutil.copy(original, place.folder / "sqlite" / "bench.db"))


def _alone(_place: Place, database: Path, rate: int, seconds: float) -> Seen:
    return Seen(writer.result(writer.start(database, rate, seconds)), [], 0.0)


def _sidecar(place: Place, database: Path, rate: int, seconds: float, interval: str = "1s") -> Seen:
    with sidecar(place, MIN_INTERVAL=interval) as service, lag.rows(place, "bench_bench.payments") as watch:
        before, began = cpu_seconds(service.pid), time.monotonic()
        written = writer.result(writer.start(database, rate, seconds))
        cpu = (cpu_seconds(service.pid) - before) / (time.monotonic() - began)
        lag.wait_until_seen(watch, written.first + len(written.at) - 1)
    return Seen(written, watch.lags_of_rows(written), cpu)


def _at_once(place: Place, database: Path, rate: int, seconds: float) -> Seen:
    return _sidecar(place, database, rate, seconds, "0")


def _not_watched(place: Place, database: Path, rate: int, seconds: float) -> Seen:
    """Nobody asks Postgres 200 times a second how far it is: that takes of the cores that the bot has."""
    with sidecar(place, MIN_INTERVAL="1s") as service:
        before, began = cpu_seconds(service.pid), time.monotonic()
        written = writer.result(writer.start(database, rate, seconds))
        cpu = (cpu_seconds(service.pid) - before) / (time.monotonic() - began)
    return Seen(written, [], cpu)


def _litestream(place: Place, database: Path, rate: int, seconds: float) -> Seen:
    replica = place.folder / "replica"
    with litestream(database, replica) as service, lag.files(replica) as watch:
        before, began = cpu_seconds(service.pid), time.monotonic()
        written = writer.result(writer.start(database, rate, seconds))
        cpu = (cpu_seconds(service.pid) - before) / (time.monotonic() - began)
        time.sleep(min(2.0, seconds * 2))  # its last file
    return Seen(written, watch.lags_of_files(written), cpu)


def _lag(seen: dict[tuple[str, int], list[Seen]]) -> list[Figure]:
    figures = []
    for rate in (10, LATENCY_RATE):
        theirs = _lags(seen["Litestream", rate])
        for name, interval in (("sidecar", "1 s"), ("at once", "0")):
            p50, p99 = _lags(seen[name, rate])
            goal = f"p50 {MOST_P50} s, p99 {MOST_P99} s" if name == "sidecar" else f"p50 {MOST_P50_AT_ONCE} s"
            kept = (p50 <= MOST_P50 and p99 <= MOST_P99) if name == "sidecar" else p50 <= MOST_P50_AT_ONCE
            what = f"lag from commit to visible in Postgres, {rate} commits/s, MIN_INTERVAL {interval}"
            value = f"p50 {p50:.2f} s, p99 {p99:.2f} s"
            against = f"Litestream, in its replica: p50 {theirs[0]:.2f} s, p99 {theirs[1]:.2f} s"
            bar = Bar("Lag at 200 commits/s, p50, seconds", f"Sidemirror, MIN_INTERVAL {interval}", p50, ours=True)
            figures.append(Figure(what, value, against, goal, kept, bar if rate == LATENCY_RATE else None))
    their_bar = Bar("Lag at 200 commits/s, p50, seconds", "Litestream", _lags(seen["Litestream", LATENCY_RATE])[0])
    value = "p50 {:.2f} s, p99 {:.2f} s".format(*_lags(seen["Litestream", LATENCY_RATE]))
    return [*figures, Figure(f"the same of Litestream, {LATENCY_RATE} commits/s", value, bar=their_bar)]


def _lags(seen: list[Seen]) -> tuple[float, float]:
    together = [one for each in seen for one in each.lags] or [float("inf")]
    return median(together), percentile(together, 0.99)


def _latency(seen: dict[tuple[str, int], list[Seen]]) -> list[Figure]:
    names = ("alone", "not watched", "Litestream")
    p99 = {name: median([one.p99 for one in seen[name, LATENCY_RATE]]) for name in names}
    ratios = [
        with_it.p99 / without.p99
        for with_it, without in zip(seen["not watched", LATENCY_RATE], seen["alone", LATENCY_RATE], strict=True)
    ]
    return [
        Figure(
            f"the bot's commit latency p99, {LATENCY_RATE} commits/s",
            f"{p99['not watched'] * 1000:.2f} ms",
            f"alone {p99['alone'] * 1000:.2f} ms, so {median(ratios):.2f} x; "
            f"with Litestream {p99['Litestream'] * 1000:.2f} ms",
            f"{MOST_LATENCY} x alone",
            median(ratios) <= MOST_LATENCY,
        )
    ]


def _wal(seen: dict[tuple[str, int], list[Seen]]) -> list[Figure]:
    wal = {
        name: max(one.written.wal for one in seen[name, WAL_RATE]) / 1e6 for name in ("alone", "sidecar", "Litestream")
    }
    return [
        Figure(
            f"largest WAL of the bot, {WAL_RATE} commits/s",
            f"{wal['sidecar']:.1f} MB",
            f"alone {wal['alone']:.1f} MB; with Litestream {wal['Litestream']:.1f} MB",
            f"{MOST_WAL} x alone",
            wal["sidecar"] <= MOST_WAL * wal["alone"],
        )
    ]


def _cpu(seen: dict[tuple[str, int], list[Seen]]) -> list[Figure]:
    cpu = {name: median([one.cpu for one in seen[name, LATENCY_RATE]]) * 100 for name in ("not watched", "Litestream")}
    return [
        Figure(
            f"CPU beside {LATENCY_RATE} commits/s, MIN_INTERVAL 1 s",
            f"{cpu['not watched']:.1f} % of a core",
            f"Litestream {cpu['Litestream']:.1f} %",
        )
    ]
