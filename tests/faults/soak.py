"""A soak: the bot writes, random faults come and go, and every minute everything is restored and compared.

    MINUTES=30 ./sidemirror test soak

Prints one line for each fault and each comparison, and the figures at the end. Ends with 1 at the first difference.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path

sys.path[:0] = [str(Path(__file__).parent), str(Path(__file__).parents[1] / "stack")]

import breaking  # noqa: E402
import moves  # noqa: E402
from ground import Ground  # noqa: E402
from stack import Stack  # noqa: E402

BLOCKS = [
    breaking.postgres_stopped,
    breaking.postgres_killed,
    breaking.network_cut,
    breaking.slow_network,
    breaking.pool_exhausted,
    breaking.read_only,
    breaking.catalog_locked,
    breaking.short_statements,
    breaking.another_certificate,
]
STROKES = [breaking.kill_scheduler, breaking.kill_container]
MOVES = [moves.restored_in_place, moves.cloned, moves.target_put_back]


def bot_restarted(ground: Ground) -> None:
    ground.stack.compose("restart", "--timeout", str(random.choice([0, 5])), "bot")


def connections_cut(ground: Ground) -> None:
    ground.stack.sql(breaking.TERMINATE)


def say(line: str) -> None:
    print(f"{time.strftime('%H:%M:%S', time.gmtime())} {line}", flush=True)


def rows(ground: Ground) -> int:
    return sum(file["here"] or 0 for file in ground.status()["files"] if file["kind"] == "database")


def soak(ground: Ground, minutes: float, choose: random.Random) -> Counter[str]:
    """Faults for the given time; what was done how often."""
    done: Counter[str] = Counter()
    until = time.monotonic() + 60 * minutes
    while time.monotonic() < until:
        minute = time.monotonic() + 60
        while time.monotonic() < minute - 15:
            _one_fault(ground, choose, done)
            threading.Event().wait(choose.uniform(0, 3))
        ground.well(180)
        began = time.monotonic()
        ground.equal()
        done["comparisons"] += 1
        say(f"equal, restored and compared in {time.monotonic() - began:.1f} s; {rows(ground)} rows")
    return done


def _one_fault(ground: Ground, choose: random.Random, done: Counter[str]) -> None:
    fault = choose.choice([*BLOCKS, *STROKES, *MOVES, bot_restarted, connections_cut])
    began = time.monotonic()
    if fault in BLOCKS:
        with fault(ground):  # type: ignore[attr-defined]
            threading.Event().wait(choose.uniform(1, 12))
    else:
        fault(ground)
    done[fault.__name__] += 1
    say(f"{fault.__name__.replace('_', ' ')}, {time.monotonic() - began:.1f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    say(f"seed {given.seed}")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o755)
        settings = {
            "BACKUP_ON_CHANGE": "on",
            "BACKUP_EVERY": "20s",
            "ALERT_URLS": "json://hook:8080",
            "ALERT_AFTER": "5s",
        }
        ground = Ground(
            Stack(
                f"{os.environ.get('SIDEMIRROR_TEST_PROJECT', 'sidemirror')}-soak-{os.getpid()}",
                Path(folder) / "volumes",
                **settings,
            )
        )
        try:
            ground.start()
            at_first = rows(ground)
            done = soak(ground, given.minutes, random.Random(given.seed))
            figures = {
                "minutes": given.minutes,
                "faults": sum(n for name, n in done.items() if name != "comparisons"),
                **dict(sorted(done.items())),
                "rows written": rows(ground) - at_first,
                "restore points": int(ground.stack.sql("SELECT max(run) FROM sidemirror.runs")[0][0]),
                "alerts": len(ground.alerts()),
                "restarts of the sidecar": ground.stack.inspect("backup")["RestartCount"],
            }
            say(json.dumps(figures, indent=1))
        except BaseException:
            print(ground.stack.logs(), file=sys.stderr)
            raise
        finally:
            ground.destroy()


if __name__ == "__main__":
    main()
