"""When to look at the source because it was written to: soon, but not more often than MIN_INTERVAL.

A notification comes when a file is written, which in WAL mode is before the commit is done: the commit itself shows in
shared memory only, of which nobody is told. So after each notification the source is looked at again, in pauses that
double. A look is a comparison of file times and headers (signature.py), and takes less than a millisecond.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from backup.notified import Watch

FIRST_LOOK_SECONDS = 0.02
LONGEST_PAUSE_SECONDS = 5.0
SHORTEST_POLL_SECONDS = 1.0

log = logging.getLogger(__name__)


class OnChange:
    """`min_interval`: seconds from the start of one run to the start of the next. `wake` ends a wait when readable."""

    def __init__(self, folders: tuple[Path, ...], min_interval: float, wake: int) -> None:
        self.watch = Watch(folders, wake)
        self.min_interval = min_interval
        self.longest_pause = LONGEST_PAUSE_SECONDS
        self.written = False  # notified, and not looked at yet
        self.pause = FIRST_LOOK_SECONDS
        self.next_look = 0.0
        self.earliest = 0.0
        self.by_notification = False
        if self.watch.inotify is None:
            self._poll("this machine allows no more inotify watches")

    def wait(self, seconds: float) -> bool:
        """At most so long. True: it is time to look at the source."""
        now = time.monotonic()
        until = now + seconds
        if now < self.earliest:
            self.watch.wait(min(until, self.earliest) - now, deaf=True)
        elif not self.written and now < self.next_look:
            self.written = self.watch.wait(min(until, self.next_look) - now)
        now = time.monotonic()
        if now < self.earliest or (not self.written and now < self.next_look):
            return False
        self.pause = FIRST_LOOK_SECONDS if self.written else min(self.pause * 2, self.longest_pause)
        self.by_notification = self.written or self.pause < self.longest_pause
        self.written = False
        self.next_look = now + self.pause
        return True

    def found(self) -> None:
        """The look found something, and a run begins now."""
        self.earliest = time.monotonic() + self.min_interval
        if not self.by_notification and self.longest_pause == LONGEST_PAUSE_SECONDS:
            self._poll("a change came without a notification: is it a network volume?")

    def close(self) -> None:
        self.watch.close()

    def _poll(self, reason: str) -> None:
        self.longest_pause = max(self.min_interval, SHORTEST_POLL_SECONDS)
        log.warning("%s From now on the source is looked at every %g s", _sentence(reason), self.longest_pause)


def _sentence(reason: str) -> str:
    return reason[0].upper() + reason[1:] + ("" if reason.endswith("?") else ".")
