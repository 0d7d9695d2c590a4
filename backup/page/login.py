"""The password, the sessions that it opened, and a brake on guessing. All of it is in memory and ends with the process.

The brake is each client's own: that of a device that was in before, by a cookie that nobody else can make
(https://owasp.org/www-community/Slow_Down_Online_Guessing_Attacks_with_Device_Cookies), or of an address.
"""

from __future__ import annotations

import hashlib
import hmac
import math
import secrets
import time
from collections import deque
from collections.abc import Callable

from starlette.requests import Request

COOKIE = "sidemirror"
DEVICE_COOKIE = "sidemirror_device"
DEVICE_SECONDS = 365 * 86400
SESSION_SECONDS = 7 * 86400
MOST_SESSIONS = 100

# Behind Docker's proxy all addresses are one: that of the bridge. Who was in before has a brake of his own all the same.
WRONG_TRIES = 5
WRONG_SECONDS = 60.0
MOST_CLIENTS = 1000


class Login:
    """`password` empty: nobody is asked for one."""

    def __init__(self, password: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._password = password.encode()
        self._clock = clock
        self._sessions: dict[str, float] = {}
        self._wrong: dict[str, deque[float]] = {}
        # The same after a new start, another with another password.
        self._key = hashlib.pbkdf2_hmac("sha256", self._password, b"sidemirror device", 200_000)

    @property
    def needed(self) -> bool:
        return bool(self._password)

    def try_password(self, given: str, address: str = "", device: str = "") -> int | None:
        """None: it is right. 0: it is wrong. More: so many seconds until another one of this client is looked at.

        `device`: the cookie that the client showed; one that is not ours does not count.
        """
        client, now = f"device {device}" if self._is_device(device) else f"address {address}", self._clock()
        wrong = self._wrong.pop(client, deque(maxlen=WRONG_TRIES))
        if len(wrong) == WRONG_TRIES and now - wrong[0] < WRONG_SECONDS:
            self._wrong[client] = wrong
            return math.ceil(WRONG_SECONDS - (now - wrong[0]))
        if hmac.compare_digest(given.encode(), self._password):
            return None
        wrong.append(now)
        self._wrong[client] = wrong
        while len(self._wrong) > MOST_CLIENTS:  # the one that was wrong longest ago
            self._wrong.pop(next(iter(self._wrong)))
        return 0

    def new_device(self) -> str:
        """A token for a device that is in, for its cookie."""
        name = secrets.token_urlsafe(16)
        return f"{name}.{self._sign(name)}"

    def _is_device(self, token: str) -> bool:
        name, _, sign = token.partition(".")
        return bool(name) and hmac.compare_digest(sign.encode(), self._sign(name).encode())

    def _sign(self, name: str) -> str:
        return hmac.new(self._key, name.encode(), "sha256").hexdigest()

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


def client(request: Request) -> tuple[str, str]:
    """Who asks: the address, and the device cookie or ""."""
    return request.client.host if request.client else "", request.cookies.get(DEVICE_COOKIE, "")
