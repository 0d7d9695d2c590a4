"""The only forms that there are: the password, and leaving."""

from __future__ import annotations

from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from backup.page.login import COOKIE, DEVICE_COOKIE, DEVICE_SECONDS, SESSION_SECONDS, Login, client
from backup.page.show import Show

MOST_BYTES = 4096


class Forms:
    def __init__(self, show: Show, login: Login) -> None:
        self.show = show
        self.login = login

    def routes(self) -> list[Route]:
        return [
            Route("/login", self.ask, methods=["GET"]),
            Route("/login", self.enter, methods=["POST"]),
            Route("/logout", self.leave, methods=["POST"]),
        ]

    async def ask(self, request: Request) -> Response:
        if not self.login.needed:
            return RedirectResponse("/", status_code=303)
        return self._form(request, request.query_params.get("next", "/"), "")

    async def enter(self, request: Request) -> Response:
        fields = parse_qs(await _body(request), max_num_fields=10)
        to = fields.get("next", ["/"])[0]
        wait = self.login.try_password(fields.get("password", [""])[0], *client(request))
        if wait is None:
            response = RedirectResponse(_ours(to), status_code=303)
            response.set_cookie(
                DEVICE_COOKIE, self.login.new_device(), max_age=DEVICE_SECONDS, httponly=True, samesite="strict"
            )
            response.set_cookie(
                COOKIE, self.login.open_session(), max_age=SESSION_SECONDS, httponly=True, samesite="strict"
            )
            return response
        if wait:
            said = f"Too many wrong passwords. Try again in {wait} s."
            return self._form(request, to, said, 429, {"retry-after": str(wait)})
        return self._form(request, to, "That is not the password.", 403)

    async def leave(self, request: Request) -> Response:
        self.login.close_session(request.cookies.get(COOKIE, ""))
        response = RedirectResponse("/login", status_code=303)
        response.delete_cookie(COOKIE, httponly=True, samesite="strict")
        return response

    def _form(
        self, request: Request, to: str, said: str, code: int = 200, headers: dict[str, str] | None = None
    ) -> Response:
        return self.show.page("login.html", request, code, headers, to=_ours(to), said=said)


def _ours(path: str) -> str:
    """A path of this page; anything that would lead elsewhere becomes `/`."""
    return path if path.startswith("/") and not path.startswith(("//", "/\\")) and path.isprintable() else "/"


async def _body(request: Request) -> str:
    content = b""
    async for chunk in request.stream():
        content += chunk
        if len(content) > MOST_BYTES:
            return ""
    return content.decode("utf-8", "replace")
