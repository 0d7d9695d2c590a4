"""The status page with 10,000 restore points: how long its views take, how much memory it needs, what it costs a run."""

from __future__ import annotations

import http.client
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import backup.run as run_module
from backup.config import BackupSettings
from backup.session import Session
from backup.view import store
from bench import data
from bench.measure import Figure, spread
from bench.place import Place
from mirror import settings

POINTS = 10_000
TABLES = 24
# For each round.
ASKS = 20
RUNS = 12
MOST_MILLISECONDS = 100.0
MOST_BYTES = 60_000_000
MOST_VIEW_MILLISECONDS = 20.0

VIEWS = {
    "home": "/",
    "the line of time": "/history?span=all",
    "its bars": "/data/history?span=all",
    "the charts": "/data/charts",
    "what changed since the oldest point": "/history/1",
    "a table": "/tables/1",
    "the difference between two versions": "/documents/1",
    "metrics": "/metrics",
}


def figures(place: Place, rounds: int, rows: int) -> list[Figure]:
    """The views against a view.db that is full; then what writing it adds to a run, with readers and without."""
    full = place.folder / "full"
    full.mkdir()
    fill(full)
    found = []
    with served(full) as (port, pid):
        for name, path in VIEWS.items():
            times = sorted(_asked(port, path) for _ in range(ASKS * rounds))
            p95 = times[int(len(times) * 0.95)]
            found.append(Figure(
                f"the page, {name}, p95", f"{p95:.0f} ms", f"median {times[len(times) // 2]:.0f} ms",
                f"{MOST_MILLISECONDS:.0f} ms", p95 <= MOST_MILLISECONDS,
            ))  # fmt: skip
        memory = _highest_memory(pid)
    found.append(Figure(
        "the page's process, memory at its highest", f"{memory / 1e6:.0f} MB", "", f"{MOST_BYTES / 1e6:.0f} MB",
        memory < MOST_BYTES,
    ))  # fmt: skip
    alone, read = _written(place, rows, RUNS * rounds, 0), _written(place, rows, RUNS * rounds, 4)
    for name, times in (("in a run", alone), ("in a run while the page is read without a pause", read)):
        median = sorted(times)[len(times) // 2]
        found.append(Figure(
            f"writing what the page shows, {name}", spread(times, "ms", 1), "", f"{MOST_VIEW_MILLISECONDS:.0f} ms",
            median <= MOST_VIEW_MILLISECONDS,
        ))  # fmt: skip
    return found


def fill(state: Path) -> None:
    """A view.db at its limits: 10,000 restore points over a month, three changed tables each; a document."""
    now = time.time()
    with store.writing(state, "bench") as view:
        store.set_facts(
            view, source="bench", host="postgres", last_run=POINTS, limit_seconds=22_200, size_limit=500_000_000
        )
        view.executemany(
            "INSERT INTO tables VALUES (?, ?, ?, 0, 1000, 1000, 1, ?, 100000, 0, '[]', NULL, NULL)",
            [(n, f"database_{n % 4}.db", f"table_{n}", now) for n in range(1, TABLES + 1)],
        )
        at = [now - (POINTS - run) * 259.2 for run in range(1, POINTS + 1)]
        view.executemany(
            "INSERT INTO points VALUES (?, ?, 'run', 5, 3, 1, 0, 0)", [(n + 1, at[n]) for n in range(POINTS)]
        )
        view.executemany(
            "INSERT INTO point_tables VALUES (?, ?, 2, 1, 0, 1000)",
            [(run, 1 + (run + more * 7) % TABLES) for run in range(1, POINTS + 1) for more in range(3)],
        )
        view.executemany(
            "INSERT INTO tries VALUES (?, ?, 1, 0.05, 16000, 0.4)",
            [(one, n) for n, one in enumerate(at[-store.TRIES :])],
        )
        view.executemany("INSERT INTO sizes VALUES (?, ?)", [(one, 1e8 + one % 1e7) for one in at[-store.SIZES :]])
        view.execute("INSERT INTO documents VALUES (1, 'data.json', 0)")
        for run in range(1, store.VERSIONS + 1):
            lines = ",".join(f'"key {n}": "{n * run % 97}"' for n in range(1400))
            content = f"{{{lines}}}".encode()
            view.execute(
                "INSERT INTO versions VALUES (1, ?, ?, 'abc', ?, ?)",
                (run, now, len(content), zlib.compress(content, 1)),
            )
    (state / "status.json").write_text("{}")
    (state / "alive").touch()


@contextmanager
def served(state: Path) -> Iterator[tuple[int, int]]:
    """The page as a process: its port and process id."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [sys.executable, "-m", "backup.page"], env={**_plain(), "STATE_DIR": str(state), "STATUS_PORT": str(port)}
    )
    try:
        deadline = time.monotonic() + 20
        while not _answers(port):
            assert time.monotonic() < deadline, "the page does not start"
            threading.Event().wait(0.05)
        yield port, process.pid
    finally:
        process.terminate()
        process.wait(20)


def _written(place: Place, rows: int, runs: int, readers: int) -> list[float]:
    """Milliseconds that each of many small runs spent on the view."""
    database = place.folder / "sqlite" / "bench.db"
    if not database.exists():
        data.make(database, min(rows, 20_000))
    times: list[float] = []
    whole = run_module.remember

    def timed(*given: object) -> None:
        began = time.monotonic()
        whole(*given)  # type: ignore[arg-type]
        times.append((time.monotonic() - began) * 1000)

    config, session = settings.load(BackupSettings, place.environ), Session()
    state = place.folder / "state"
    run_module.run(config, "run", session=session)
    run_module.remember = timed
    try:
        with served(state) as (port, _), _reading(port, readers):
            for _ in range(runs):
                _write(database)
                run_module.run(config, "run", session=session)
    finally:
        run_module.remember = whole
        session.close()
    return times


@contextmanager
def _reading(port: int, readers: int) -> Iterator[None]:
    """Readers that ask for one view after the other until the end."""
    done = threading.Event()

    def read() -> None:
        while not done.is_set():
            for path in ("/", "/history", "/metrics"):
                _asked(port, path)

    threads = [threading.Thread(target=read) for _ in range(readers)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        done.set()
        for thread in threads:
            thread.join()


def _write(database: Path) -> None:
    connection = sqlite3.connect(database, isolation_level=None)
    [(table,)] = connection.execute(
        "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' LIMIT 1"
    )
    connection.execute(f'DELETE FROM "{table}" WHERE rowid = (SELECT max(rowid) FROM "{table}")')
    connection.close()


def _asked(port: int, path: str) -> float:
    """Milliseconds until the whole answer is there."""
    began = time.monotonic()
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", path)
    answer = connection.getresponse()
    answer.read()
    connection.close()
    assert answer.status == 200, (path, answer.status)
    return (time.monotonic() - began) * 1000


def _answers(port: int) -> bool:
    try:
        return _asked(port, "/healthz") > 0
    except OSError:
        return False


def _highest_memory(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


def _plain() -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if not name.startswith(("STATUS_", "STATE_"))}
