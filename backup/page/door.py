"""Who may come in: the host that was asked for, the password, and what a browser is told not to do. Pure ASGI."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response

from backup.page.login import COOKIE, Login, client

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

# `page` is the service's name, for a Prometheus in a container beside it.
OUR_HOSTS = frozenset({"localhost", "127.0.0.1", "[::1]", "page"})

# No inline script or style, nothing from anywhere else, and in nobody's frame.
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    # With no-referrer a browser sends its own forms with `Origin: null`, as if they came from elsewhere.
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=()",
}

# What shows nothing of the data.
OPEN_PATHS = ("/healthz", "/login", "/static/")


class Door:
    """Lets a request through to `app`, or answers it: a wrong host, no password."""

    def __init__(self, app: App, login: Login, hosts: tuple[str, ...]) -> None:
        self.app = app
        self.login = login
        self.hosts = OUR_HOSTS | set(hosts)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        answer = self._refusal(Request(scope))

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers[name] = value
                headers.setdefault("cache-control", "no-store")
            await send(message)

        await (answer or self.app)(scope, receive, send_with_headers)

    def _refusal(self, request: Request) -> Response | None:
        """None: come in. A name that is not ours is a page elsewhere that had its name point here (DNS rebinding)."""
        host = _host(request.headers)
        if host not in self.hosts:
            return PlainTextResponse(
                f"This page is not known as {host!r}. Open it as http://localhost, or name the host in STATUS_HOSTS.\n",
                status_code=421,
            )
        origin = request.headers.get("origin")
        if request.method == "POST" and origin and urlsplit(origin).netloc != request.headers.get("host"):
            return PlainTextResponse("Only this page's own forms may be sent here.\n", status_code=403)
        if not self.login.needed or request.url.path.startswith(OPEN_PATHS):
            return None
        if self.login.knows(request.cookies.get(COOKIE, "")):
            return None
        return self._basic(request) if "authorization" in request.headers else _to_login(request)

    def _basic(self, request: Request) -> Response | None:
        """For programs (a Prometheus): HTTP Basic with any user name."""
        wait = self.login.try_password(_basic_password(request.headers["authorization"]), *client(request))
        if wait is None:
            return None
        if wait > 0:
            return PlainTextResponse("Too many wrong passwords.\n", status_code=429, headers={"retry-after": str(wait)})
        return PlainTextResponse("Wrong password.\n", status_code=401, headers={"www-authenticate": "Basic"})


def _to_login(request: Request) -> Response:
    if "text/html" in request.headers.get("accept", ""):
        path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        return RedirectResponse(f"/login?next={quote(path)}", status_code=303)
    return PlainTextResponse("A password is needed.\n", status_code=401, headers={"www-authenticate": "Basic"})


def _host(headers: Headers) -> str:
    """The name alone, without its port."""
    host = headers.get("host", "").lower()
    return host[: host.index("]") + 1] if host.startswith("[") and "]" in host else host.split(":")[0]


def _basic_password(header: str) -> str:
    kind, _, value = header.partition(" ")
    try:
        decoded = base64.b64decode(value, validate=True).decode() if kind.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        return ""
    return decoded.partition(":")[2]
