"""The password, the sessions that it opened, and a brake on guessing. All of it is in memory and ends with the process."""

from __future__ import annotations

import hmac
import math
import secrets
import time
from collections import deque
from collections.abc import Callable

COOKIE = "sidemirror"
SESSION_SECONDS = 7 * 86400
MOST_SESSIONS = 100

# Docker's proxy hides who asks, so the brake is one for all; who is in already does not feel it.
WRONG_TRIES = 5
WRONG_SECONDS = 60.0


class Login:
    """`password` empty: nobody is asked for one."""

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._password = password.encode()
        self._clock = clock
        self._sessions: dict[str, float] = {}
        self._wrong: deque[float] = deque(maxlen=WRONG_TRIES)

    @property
    def needed(self) -> bool:
        return bool(self._password)

    def try_password(self, given: str) -> int | None:
        """None: it is right. 0: it is wrong. More: so many seconds until another one is looked at."""
        now = self._clock()
        if len(self._wrong) == WRONG_TRIES and now - self._wrong[0] < WRONG_SECONDS:
            return math.ceil(WRONG_SECONDS - (now - self._wrong[0]))
        if hmac.compare_digest(given.encode(), self._password):
            return None
        self._wrong.append(now)
        return 0

    def open_session(self) -> str:
        """A new session's token, for the cookie."""
        now = self._clock()
        self._sessions = {token: until for token, until in self._sessions.items() if until > now}
        while len(self._sessions) >= MOST_SESSIONS:
            self._sessions.pop(next(iter(self._sessions)))
        token = secrets.token_urlsafe(32)
        self._sessions[token] = now + SESSION_SECONDS
        return token

    def knows(self, token: str) -> bool:
        return self._sessions.get(token, -math.inf) > self._clock()

    def close_session(self, token: str) -> None:
        self._sessions.pop(token, None)
