"""Notices to a Discord webhook, from a thread of their own: nothing ever waits for them, and nothing fails with them.

At most MOST_WAITING notices wait; of the regular ones only the newest. Discord's limits are kept: after 429 the
time that it asks for, after the last request that it allows the time until it allows more, after 401, 403 or 404
nothing any more. Whoever has the address can write into the channel, so it is in no log line and no error.

The standard library's HTTP client is enough for one small request at a time, and keeps the folder free of
dependencies. What it lacks (a limit on the whole request) costs nothing in a thread that nobody waits for.
"""

from __future__ import annotations

import atexit
import http.client
import json
import logging
import math
import threading
import urllib.request
from collections import deque
from dataclasses import dataclass
from urllib.error import HTTPError

MOST_WAITING = 20
MOST_CHARACTERS = 1900  # Discord allows 2000
RETRIES = (1.0, 2.0, 5.0, 15.0, 60.0)
"""Seconds before each further try after a server error or none at all; then the notice is dropped."""
GIVEN_UP = frozenset({401, 403, 404})
UNKNOWN_WAIT = 60.0
AT_EXIT = 2.0
"""Seconds that the end of the program waits for what is urgent."""

log = logging.getLogger("bot_modules")


@dataclass(frozen=True)
class Notice:
    text: str
    urgent: bool


@dataclass(frozen=True)
class Answer:
    """`status` 0: there was none. `wait`: the seconds that the server asks for before the next request."""

    status: int
    wait: float | None
    what: str


class Webhook:
    """Sends what it is given, in order, as fast as the other side allows. Without an address it does nothing."""

    def __init__(self, url: str | None, time_limit: float = 10.0, retries: tuple[float, ...] = RETRIES) -> None:
        self._url = url
        self._time_limit = time_limit
        self._retries = retries
        self._waiting: deque[Notice] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._sending: Notice | None = None
        self._closed = False
        self.dropped = 0

    def send(self, text: str, *, urgent: bool) -> None:
        """Returns at once. A regular notice takes the place of one that still waits."""
        if self._url is None:
            return
        with self._changed:
            if self._closed:
                return
            if not urgent:
                self._waiting = deque(notice for notice in self._waiting if notice.urgent)
            elif len(self._waiting) >= MOST_WAITING:
                self._waiting.popleft()
                self.dropped += 1
            self._waiting.append(Notice(text[:MOST_CHARACTERS], urgent))
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="webhook", daemon=True)
                self._thread.start()
                atexit.register(self.close, AT_EXIT)
            self._changed.notify_all()

    def close(self, seconds: float = 0.0) -> None:
        """Waits that long at most for what is urgent, then lets go of everything."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or not self._is_urgent(), seconds)
            self._closed = True
            self._changed.notify_all()
        atexit.unregister(self.close)

    def _is_urgent(self) -> bool:
        return any(notice.urgent for notice in [*self._waiting, *([self._sending] if self._sending else [])])

    def _work(self) -> None:
        while (notice := self._next()) is not None:
            self._deliver(notice)
            with self._changed:
                self._sending = None
                self._changed.notify_all()

    def _next(self) -> Notice | None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._waiting)
            if self._closed:
                return None
            self._sending = self._waiting.popleft()
            return self._sending

    def _deliver(self, notice: Notice) -> None:
        failures = 0
        while not self._closed:
            answer = self._post(notice.text)
            if answer.status == 429:
                self._pause(UNKNOWN_WAIT if answer.wait is None else answer.wait)
                continue
            if 200 <= answer.status < 300:
                self._pause(answer.wait or 0.0)
                return
            if answer.status in GIVEN_UP:
                log.error("the webhook refuses notices: %s. No more are sent until the next start", answer.what)
                self.close()
                return
            if (answer.status and answer.status < 500) or failures == len(self._retries):
                log.warning("a notice was dropped: the webhook gave %s", answer.what)
                self.dropped += 1
                return
            self._pause(self._retries[failures])
            failures += 1

    def _pause(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(lambda: self._closed, max(0.0, seconds))

    def _post(self, text: str) -> Answer:
        body = json.dumps({"content": text, "allowed_mentions": {"parse": []}}).encode()
        # Discord turns away the client's own name, and a redirect would carry the notice elsewhere.
        headers = {"Content-Type": "application/json", "User-Agent": "DiscordBot (bot_modules, 1.0)"}
        try:
            request = urllib.request.Request(self._url or "", data=body, headers=headers, method="POST")  # noqa: S310
            with _opener().open(request, timeout=self._time_limit) as response:
                return Answer(response.status, _spent(response.headers), "")
        except HTTPError as error:
            with error:
                wait = _asked_wait(error) if error.code == 429 else None
            return Answer(error.code, wait, f"HTTP status {error.code}")
        except (OSError, ValueError, http.client.HTTPException) as error:
            reason = getattr(error, "reason", error)  # only its kind: the text can hold the address
            return Answer(0, None, f"no answer ({type(reason).__name__})")


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        return None


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_NoRedirect)


def _spent(headers: http.client.HTTPMessage) -> float | None:
    """The seconds until more is allowed, when this request was the last one that is."""
    if headers.get("X-RateLimit-Remaining") != "0":
        return None
    return _seconds(headers.get("X-RateLimit-Reset-After"))


def _asked_wait(error: HTTPError) -> float | None:
    """The longer of what header and body say: the body has the fraction of the second."""
    waits = [_seconds(error.headers.get("Retry-After"))]
    try:
        body = json.loads(error.read(65_536))
        waits.append(_seconds(body.get("retry_after")))
    except (OSError, ValueError, AttributeError, http.client.HTTPException):
        pass
    return max((wait for wait in waits if wait is not None), default=None)


def _seconds(value: object) -> float | None:
    try:
        seconds = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None
    return min(seconds, threading.TIMEOUT_MAX) if math.isfinite(seconds) and seconds >= 0 else None
