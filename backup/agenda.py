"""What is due when, by a clock that nobody sets.

CLOCK_BOOTTIME (clock_gettime(2)) does not follow the date, so a clock that is set back by a day stops nothing; and it goes
on while the machine sleeps, so what was missed is due at once when it wakes, and once only.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime, timedelta

LONGEST_JITTER = timedelta(minutes=5)
STEP_SECONDS = 60.0  # less than this is a clock being kept right


def now() -> float:
    """Seconds since the machine was started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def jittered(pause: timedelta) -> timedelta:
    """A little longer, at most a tenth: many sidecars that were started together do not come together for ever."""
    return pause + min(pause / 10, LONGEST_JITTER) * random.random()  # noqa: S311 - nothing secret


def left_of(every: timedelta, last: str | None, at: datetime) -> timedelta:
    """What is left to wait for something that was last done at the time `last` (ISO 8601), when it is due every `every`.

    Never more than `every`, whatever the date was when `last` was written down; all of it when it was never done.
    """
    if last is None:
        return every
    return max(timedelta(0), min(every, datetime.fromisoformat(last) + every - at))


class Agenda:
    """Jobs by name, each with the moment at which it is due."""

    def __init__(self) -> None:
        self.due: dict[str, float] = {}
        self.date_at_zero = _date_at_zero()

    def put(self, name: str, pause: timedelta) -> None:
        """Plans the job anew."""
        self.due[name] = now() + pause.total_seconds()

    def sooner(self, name: str, pause: timedelta) -> None:
        """Plans the job for then, unless it is due before."""
        self.due[name] = min(self.due.get(name, float("inf")), now() + pause.total_seconds())

    def drop(self, name: str) -> None:
        self.due.pop(name, None)

    def clear(self) -> None:
        self.due.clear()

    def take(self) -> str | None:
        """The job that has been due for longest, which is planned no more; None when none is due."""
        name = min(self.due, key=self.due.__getitem__, default=None)
        if name is None or self.due[name] > now():
            return None
        del self.due[name]
        return name

    def date_of(self, *names: str) -> str | None:
        """When the first of these jobs is due, by the date as it is now (ISO 8601, UTC); None when none is planned."""
        planned = [self.due[name] for name in names if name in self.due]
        if not planned:
            return None
        in_seconds = max(0.0, min(planned) - now())
        return (datetime.now(UTC) + timedelta(seconds=in_seconds)).isoformat(timespec="seconds")

    def clock_step(self) -> float:
        """By how many seconds the date was set since the last call; 0.0 when it was not."""
        found = _date_at_zero()
        step = found - self.date_at_zero
        if abs(step) < STEP_SECONDS:
            return 0.0
        self.date_at_zero = found
        return step


def _date_at_zero() -> float:
    return time.time() - now()
