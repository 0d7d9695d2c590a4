"""A sign of life for who watches from another container: the time of a file in the state folder, every few seconds."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path

ALIVE_FILE = "alive"
EVERY_SECONDS = 5.0


def start(state_dir: Path) -> None:
    """Goes on until the process ends. A folder that cannot be written to is a matter of the runs, which tell it."""
    threading.Thread(target=_beat, args=(state_dir / ALIVE_FILE,), name="alive", daemon=True).start()


def _beat(path: Path) -> None:
    pause = threading.Event()
    while True:
        with contextlib.suppress(OSError):  # the page sees an old time, and says so
            path.touch()
        pause.wait(EVERY_SECONDS)


def last_beat(state_dir: Path) -> float | None:
    """When the sidecar was last heard (epoch); None: never."""
    try:
        return (state_dir / ALIVE_FILE).stat().st_mtime
    except OSError:
        return None
