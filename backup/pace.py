"""How far apart runs by change are: what MIN_INTERVAL comes to.

A bot that writes without a pause has its commits seen, in the middle, after half the time between two runs and what a run
takes. So that this is less than half of MIN_INTERVAL, a run starts earlier by a tenth of it and by twice what the slowest of
the last few runs took; by a quarter of MIN_INTERVAL at most.
"""

from __future__ import annotations

from collections import deque

MOST_SHARE, LEAST_SHARE = 0.9, 0.75
REMEMBERED = 8


class Pace:
    """`min_interval` and all that it gives are seconds."""

    def __init__(self, min_interval: float) -> None:
        self.min_interval = min_interval
        self.took: deque[float] = deque(maxlen=REMEMBERED)

    def ran(self, seconds: float) -> None:
        """One more run by change took so long."""
        self.took.append(seconds)

    @property
    def apart(self) -> float:
        """From the start of the last run to the earliest start of the next."""
        in_time = MOST_SHARE * self.min_interval - 2 * max(self.took, default=0.0)
        return max(LEAST_SHARE * self.min_interval, in_time)
