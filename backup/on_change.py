"""When to look at the source because it was written to: soon, but not more often than MIN_INTERVAL.

A notification comes when a file is written, which in WAL mode is before the commit is done: the commit itself shows in
shared memory only, of which nobody is told. So after each notification the source is looked at again, in pauses that
double. A look is a comparison of file times and headers (signature.py), and takes less than a millisecond. Where no
notifications come, looks in even pauses are all there is: that is polling, and it is told.
"""

from __future__ import annotations

import logging
import time
from pathlib import Path

from backup.file_systems import NETWORK, kind_of, mounts
from backup.noticing import Polling
from backup.notified import Watch
from backup.pace import Pace
from backup.session import Look

FIRST_LOOK_SECONDS = 0.005
LONGEST_PAUSE_SECONDS = 5.0
SHORTEST_POLL_SECONDS = 1.0
WATCH_AGAIN_SECONDS = 30.0
BEGUN_SECONDS = 1.0  # a commit that was begun is waited for so long

NO_WATCHES = "this machine allows no more inotify watches (fs.inotify.max_user_instances, max_user_watches)"

log = logging.getLogger(__name__)


class OnChange:
    """`min_interval`: seconds, see pace.py. `wake` ends a wait when it is readable."""

    def __init__(self, folders: tuple[Path, ...], min_interval: float, wake: int) -> None:
        self.watch = Watch(folders, wake)
        self.pace = Pace(min_interval)
        self.polling: Polling | None = None
        self.written = False  # notified, and not looked at yet
        self.pause = FIRST_LOOK_SECONDS
        self.next_look = 0.0
        self.run_began = 0.0
        self.earliest = 0.0
        self.watch_again = time.monotonic() + WATCH_AGAIN_SECONDS
        self.begun: float | None = None  # since when a commit has been seen begun, and not ended
        self.by_notification = False
        far = {kind for kind in (kind_of(folder, mounts()) for folder in folders) if NETWORK.match(kind)}
        if far:
            self._poll(f"the source is on a network or shared file system ({', '.join(sorted(far))})")

    @property
    def longest_pause(self) -> float:
        return LONGEST_PAUSE_SECONDS if self.polling is None else self.polling.seconds

    def wait(self, seconds: float) -> bool:
        """At most so long. True: it is time to look at the source."""
        self._see_to_the_watches()
        now = time.monotonic()
        until = now + seconds
        if now < self.earliest:
            self.watch.wait(min(until, self.earliest) - now, deaf=True)
        elif not self.written:  # after a long run the time for a look may be past, and its notification unread
            self.written = self.watch.wait(max(0.0, min(until, self.next_look) - now))
        now = time.monotonic()
        if now < self.earliest or (not self.written and now < self.next_look):
            return False
        self.by_notification = self.written or self.pause < self.longest_pause
        self.pause = FIRST_LOOK_SECONDS if self.written else min(self.pause * 2, self.longest_pause)
        self.written = False
        self.next_look = now + self.pause
        return True

    def is_due(self, look: Look) -> bool:
        """Whether what a look found is worth a run. A commit that has only begun is waited for: it is done in a moment."""
        now = time.monotonic()
        if look is not Look.BEGUN:
            waited, self.begun = self.begun is not None, None
            if look is Look.WRITTEN and not (waited or self.by_notification) and self.polling is None:
                self._poll("a change came without a notification: is it a network volume?")
            return look is Look.WRITTEN
        self.begun = self.begun or now
        return now - self.begun >= BEGUN_SECONDS

    def run_begins(self) -> None:
        self.run_began, self.begun = time.monotonic(), None

    def run_ended(self) -> None:
        self.pace.ran(time.monotonic() - self.run_began)
        self.earliest = self.run_began + self.pace.apart

    def close(self) -> None:
        self.watch.close()

    def _see_to_the_watches(self) -> None:
        """Polls when there are none; tries now and then to have them again."""
        if self.watch.works:
            return
        if self.polling is None:
            self._poll(NO_WATCHES)
        now = time.monotonic()
        if now < self.watch_again:
            return
        self.watch_again = now + WATCH_AGAIN_SECONDS
        self.watch.open()
        if self.watch.works and self.polling is not None and self.polling.reason == NO_WATCHES:
            self.polling = None
            log.info("The kernel tells of changes again")

    def _poll(self, reason: str) -> None:
        self.polling = Polling(max(self.pace.min_interval, SHORTEST_POLL_SECONDS), reason)
        self.next_look = min(self.next_look, time.monotonic() + self.polling.seconds)
        log.warning("%s", self.polling.sentence)
