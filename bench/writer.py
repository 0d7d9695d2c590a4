"""python -m bench.writer DATABASE RATE SECONDS: a bot that commits so often, and times each commit.

Prints one JSON object: `commits` as pairs of the clock (monotonic) when the commit had returned and the seconds it took,
`first` the id of the first row, `wal` the largest size of the WAL in bytes.
"""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Written:
    """`at[i]` is when row `first + i` was committed, `took[i]` how long that took."""

    first: int
    at: list[float]
    took: list[float]
    wal: int


def start(database: Path, rate: int, seconds: float) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "bench.writer", str(database), str(rate), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def result(process: subprocess.Popen[bytes]) -> Written:
    """What a writer that was started found, once it has ended."""
    output, _ = process.communicate()
    if process.returncode != 0:
        raise SystemExit(f"the writer ended with {process.returncode}")
    found = json.loads(output)
    at, took = zip(*found["commits"], strict=True)
    return Written(found["first"], list(at), list(took), found["wal"])


def write(database: Path, rate: int, seconds: float) -> dict[str, object]:
    connection = sqlite3.connect(database, isolation_level=None, timeout=30)
    (highest,) = connection.execute("SELECT max(id) FROM payments").fetchone()
    wal = Path(f"{database}-wal")
    commits: list[tuple[float, float]] = []
    largest = 0
    began = time.monotonic()
    for number in range(int(rate * seconds)):
        time.sleep(max(0.0, began + number / rate - time.monotonic()))
        start = time.monotonic()
        connection.execute("BEGIN IMMEDIATE")
        connection.execute(
            "INSERT INTO payments (owner_id, payment_id, stars_amount, rate, status, created_at) "
            "VALUES (?, ?, 250, 0.5, 'completed', ?)",
            (number, f"live-{number}", 1_700_000_000 + number),
        )
        connection.execute("UPDATE message_owners SET timestamp = timestamp + 1 WHERE message_id = ?", (number * 37,))
        connection.execute("COMMIT")
        end = time.monotonic()
        commits.append((end, end - start))
        largest = max(largest, wal.stat().st_size)
    connection.close()
    return {"first": highest + 1, "commits": commits, "wal": largest}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(write(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))))
