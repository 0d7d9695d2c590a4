"""A sign of life to a monitor outside (healthchecks.io and its like), so that somebody hears when nothing happens at all.

The address is called after a run that left the source equal to the target; with /start when a run begins, with /fail
when one ends otherwise. From a thread of its own: no run ever waits for it. Runs can come every second, so what says
nothing new goes out once a minute at most.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import Literal
from urllib.parse import urlsplit, urlunsplit

EVERY_SECONDS = 60.0
DEADLINE_SECONDS = 10.0

Sign = Literal["start", "good", "fail"]

log = logging.getLogger(__name__)


class Heartbeat:
    """`url` gives the address as it is now; empty: nothing is called. Nothing here raises, and only `close` waits."""

    def __init__(self, url: Callable[[], str]) -> None:
        self._url = url
        self._changed = threading.Condition()
        self._waiting: Sign | None = None
        self._busy = False
        self._closed = False
        self._thread: threading.Thread | None = None
        self._last: Sign | None = None
        self._last_at = 0.0
        self._failing = False

    def began(self) -> None:
        """A run begins. Between good runs that follow each other closely it is not worth a call."""
        if self._last != "good" or time.monotonic() - self._last_at >= EVERY_SECONDS:
            self._give("start")

    def ended(self, equal: bool) -> None:
        """A run has ended; `equal`: the source is known to be equal to the target."""
        sign: Sign = "good" if equal else "fail"
        if self._last != sign or time.monotonic() - self._last_at >= EVERY_SECONDS:
            self._give(sign)

    def close(self, seconds: float) -> None:
        """Waits that long at most for what is on its way."""
        with self._changed:
            self._changed.wait_for(lambda: not self._busy and self._waiting is None, seconds)
            self._closed = True
            self._changed.notify_all()

    def _give(self, sign: Sign) -> None:
        if not self._url():
            return
        with self._changed:
            self._last, self._last_at = sign, time.monotonic()
            self._waiting = sign  # a newer sign takes the place of one that still waits
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="heartbeat", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                self._busy = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._closed or self._waiting)
                if self._waiting is None:
                    return
                sign, self._waiting, self._busy = self._waiting, None, True
            self._tell(_call(_address(self._url(), sign)))

    def _tell(self, failure: str | None) -> None:
        """Once when calls begin to fail, and once when they get through again."""
        if failure and not self._failing:
            log.warning("The heartbeat could not be sent to HEARTBEAT_URL: %s", failure)
        elif self._failing and failure is None:
            log.info("The heartbeat reaches HEARTBEAT_URL again")
        self._failing = failure is not None


def _address(url: str, sign: Sign) -> str:
    """The monitor's address with /start or /fail at the end of its path."""
    if sign == "good":
        return url
    parts = urlsplit(url)
    return urlunsplit(parts._replace(path=f"{parts.path.rstrip('/')}/{sign}"))


def _call(url: str) -> str | None:
    """None when the monitor took it; otherwise why not, without the address, which is a secret."""
    import requests  # 10 MB, wanted only where there is a monitor

    logging.getLogger("urllib3").setLevel(logging.ERROR)  # at the level debug it tells the path
    try:
        answer = requests.get(url, timeout=DEADLINE_SECONDS, stream=True, headers={"User-Agent": "Sidemirror"})
        answer.close()
    except requests.exceptions.SSLError:
        return "its certificate is not trusted"
    except requests.exceptions.Timeout:
        return "it does not answer in time"
    except (requests.RequestException, OSError, ValueError):
        return "it cannot be reached"
    return None if answer.ok else f"it answers with status {answer.status_code}"
