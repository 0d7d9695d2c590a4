"""When a commit of the bot becomes visible elsewhere: in Postgres, or in Litestream's replica."""

from __future__ import annotations

import os
import threading
import time
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from bench.place import Place
from bench.writer import Written

POLL_SECONDS = 0.005
PATIENCE = 30.0


@dataclass
class Watch:
    """`seen`: pairs of a clock (monotonic) and how far the other side was then."""

    seen: list[tuple[float, float]] = field(default_factory=list)
    ended: bool = False

    def lags_of_rows(self, written: Written) -> list[float]:
        """For each commit the seconds until its row was seen. Ends the bench for one that was not."""
        marks = [mark for _, mark in self.seen]
        lags = []
        for number, at in enumerate(written.at):
            place = bisect_left(marks, written.first + number)
            if place == len(marks):
                raise SystemExit(f"row {written.first + number} did not arrive in {PATIENCE:.0f} s")
            lags.append(max(0.0, self.seen[place][0] - at))
        return lags

    def lags_of_files(self, written: Written) -> list[float]:
        """The seconds until a file appeared after the commit. It may not hold the commit yet: in Litestream's favour."""
        times = [at for at, _ in self.seen]
        places = [(bisect_right(times, at), at) for at in written.at]
        return [times[place] - at for place, at in places if place < len(times)]


@contextmanager
def rows(place: Place, table: str) -> Iterator[Watch]:
    """Watches the highest id of a mirrored table, over a connection of its own."""
    watch = Watch()
    with closing(place.connect()) as connection, connection.cursor() as cursor:

        def look() -> float:
            cursor.execute(f"SELECT max(id) FROM {table}")
            return float(cursor.fetchone()[0])

        yield from _watching(watch, look)


@contextmanager
def files(folder: Path) -> Iterator[Watch]:
    """Watches how many files there are below a folder."""
    yield from _watching(Watch(), lambda: float(sum(len(names) for _, _, names in os.walk(folder))))


def _watching(watch: Watch, look: object) -> Iterator[Watch]:
    def run() -> None:
        while not watch.ended:
            mark = look()  # type: ignore[operator]
            if not watch.seen or mark > watch.seen[-1][1]:
                watch.seen.append((time.monotonic(), mark))
            time.sleep(POLL_SECONDS)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield watch
    finally:
        watch.ended = True
        thread.join()


def wait_until_seen(watch: Watch, last: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (not watch.seen or watch.seen[-1][1] < last) and time.monotonic() < deadline:
        time.sleep(POLL_SECONDS)
