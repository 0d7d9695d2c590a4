"""A sign of life for who watches from another process or container: the time of a file in the state folder.

It is renewed every few seconds by a thread, so that it goes on through a long run; but not for ever: when the main loop has
not come round for half an hour, the file's time is when it last did, because a scheduler that hangs is no better than none.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from pathlib import Path

ALIVE_FILE = "alive"
EVERY_SECONDS = 5.0
HANGS_SECONDS = 1800.0


class Beat:
    """Goes on until the process ends. A folder that cannot be written to is a matter of the runs, which tell it."""

    def __init__(self, state_dir: Path) -> None:
        self.path = state_dir / ALIVE_FILE
        self.came_round()

    def start(self) -> None:
        threading.Thread(target=self._go_on, name="alive", daemon=True).start()

    def came_round(self) -> None:
        """The main loop is where it should be."""
        self._last = (time.monotonic(), time.time())

    def beat(self) -> None:
        monotonic, date = self._last
        with contextlib.suppress(OSError):  # the page sees an old time, and says so
            self.path.touch()
            if time.monotonic() - monotonic > HANGS_SECONDS:
                os.utime(self.path, (date, date))

    def _go_on(self) -> None:
        pause = threading.Event()
        while True:
            self.beat()
            pause.wait(EVERY_SECONDS)


def last_beat(state_dir: Path) -> float | None:
    """When the sidecar was last heard (epoch); None: never."""
    try:
        return (state_dir / ALIVE_FILE).stat().st_mtime
    except OSError:
        return None


def heard(state_dir: Path) -> float | None:
    """How many seconds ago that was."""
    beat = last_beat(state_dir)
    return None if beat is None else max(0.0, time.time() - beat)
