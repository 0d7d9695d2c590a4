"""A clock that nobody sets, and what the date does beside it.

CLOCK_BOOTTIME (clock_gettime(2)) does not follow the date, so a clock that is set back by a day stops nothing; and it goes
on while the machine sleeps.
"""

from __future__ import annotations

import time

STEP_SECONDS = 60.0  # less than this is a clock being kept right


def now() -> float:
    """Seconds since the machine was started, sleep included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Date:
    """The date, watched for being set."""

    def __init__(self) -> None:
        self.at_zero = time.time() - now()

    def step(self) -> float:
        """By how many seconds it was set since the last call; 0.0 when it was not."""
        found = time.time() - now()
        step = found - self.at_zero
        if abs(step) < STEP_SECONDS:
            return 0.0
        self.at_zero = found
        return step
