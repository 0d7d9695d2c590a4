"""What is due when, by a clock that nobody sets.

What was missed while the machine slept is due at once when it wakes, and once only.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import schedule

from backup.clock import Date, now

LONGEST_JITTER = timedelta(minutes=5)


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
    """Jobs by name in a calendar of `schedule`, each planned once. The calendar goes by the date, so it is moved whenever
    the date was: each job stays where it was on the clock that nobody sets."""

    def __init__(self) -> None:
        self.calendar = schedule.Scheduler()
        self.date = Date()
        self.local_at_zero = _local_at_zero()

    def put(self, name: str, pause: timedelta) -> None:
        """Plans the job anew."""
        self.drop(name)
        self._follow()
        job = self.calendar.every().second.do(_due).tag(name)
        job.next_run = datetime.now() + pause

    def drop(self, name: str) -> None:
        self.calendar.clear(name)

    def clear(self) -> None:
        self.calendar.clear()

    def planned(self, *names: str) -> list[schedule.Job]:
        """Those of these jobs that are planned (without a name: all), the first one first."""
        self._follow()
        chosen = [job for job in self.calendar.jobs if not names or job.tags & set(names)]
        return sorted(chosen)

    def take(self) -> str | None:
        """The job that has been due for longest, which is planned no more; None when none is due."""
        job = next(iter(self.planned()), None)
        if job is None or not job.should_run:
            return None
        self.calendar.cancel_job(job)
        return str(next(iter(job.tags)))

    def date_of(self, *names: str) -> str | None:
        """When the first of these jobs is due, by the date as it is now (ISO 8601, UTC); None when none is planned."""
        job = next(iter(self.planned(*names)), None)
        if job is None or job.next_run is None:
            return None
        left = max(timedelta(0), job.next_run - datetime.now())
        return (datetime.now(UTC) + left).isoformat(timespec="seconds")

    def _follow(self) -> None:
        found = _local_at_zero()
        step, self.local_at_zero = found - self.local_at_zero, found
        for job in self.calendar.jobs:
            if job.next_run is not None:
                job.next_run += step

    def clock_step(self) -> float:
        """By how many seconds the date was set since the last call; 0.0 when it was not."""
        return self.date.step()


def _local_at_zero() -> datetime:
    """By local time, which is what the calendar goes by: it is set twice a year where summer time is kept."""
    return datetime.now() - timedelta(seconds=now())


def _due() -> None:
    """What a job does is the scheduler's to say; the calendar only knows when."""
