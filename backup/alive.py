"""A sign of life for who watches from another process or container: the time of a file in the state folder. In it stands
how the sidecar is, for the container's health check.

It is renewed every few seconds by a thread, so that it goes on through a long run; but not for ever: when the main loop has
not come round for half an hour, the file's time is when it last did, because a scheduler that hangs is no better than none.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from backup import outcome, turns
from backup.answer import limit_seconds
from backup.config import BackupSettings
from backup.health import ALIVE_FILE, LONGEST
from mirror.errors import Stuck

EVERY_SECONDS = 2.0
HANGS_SECONDS = 1800.0


class Beat:
    """Goes on until the process ends. A folder that cannot be written to is a matter of the runs, which tell it."""

    def __init__(self, load: Callable[[], BackupSettings]) -> None:
        self.load = load
        self.came_round()

    def start(self) -> None:
        threading.Thread(target=self._go_on, name="alive", daemon=True).start()

    def came_round(self) -> None:
        """The main loop is where it should be."""
        self._last = (time.monotonic(), time.time())

    def beat(self) -> None:
        monotonic, date = self._last
        settings = self.load()
        path = settings.state_dir / ALIVE_FILE
        with contextlib.suppress(OSError):  # the page sees an old time, and says so
            _overwrite(path, "{} {}".format(*how_it_is(settings)))
            os.utime(path, (date, date) if time.monotonic() - monotonic > HANGS_SECONDS else None)

    def _go_on(self) -> None:
        pause = threading.Event()
        while True:
            self.beat()
            pause.wait(EVERY_SECONDS)


def how_it_is(settings: BackupSettings) -> tuple[int, str]:
    """The health check's answer: an exit code, and a sentence. 0: source and target were equal recently."""
    if (turn := turns.hanging(settings.state_dir)) is not None:
        return Stuck.exit_code, turn.told
    age = outcome.read(settings.state_dir).seconds_since_equal(datetime.now(UTC))
    if age is None:
        return 1, "not equal to the target yet"
    late = age > limit_seconds(settings.backup_every)
    return int(late), f"{'last equal' if late else 'equal'} to the target {int(age)} s ago"


def _overwrite(path: Path, line: str) -> None:
    """In place and always as long, so that it needs no room on a disk that is full, and no reader finds half of it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o644)
    try:
        os.pwrite(descriptor, line.encode()[: LONGEST - 1].ljust(LONGEST - 1) + b"\n", 0)
    finally:
        os.close(descriptor)


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
