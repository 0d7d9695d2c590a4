"""The page's addresses. Each view opens the facts, reads what it shows, and renders a template."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from backup.page import facts, metrics, views
from backup.page.assets import Assets
from backup.page.config import PageSettings
from backup.page.door import App, Door
from backup.page.forms import Forms
from backup.page.glance import Glance, look, version
from backup.page.live import Live
from backup.page.login import Login
from backup.page.show import Show


def application(settings: PageSettings, stopping: Callable[[], bool] = lambda: False) -> App:
    """The whole of it, behind its door. `stopping`: event streams are to end."""
    assets, login = Assets(), Login(settings.status_password.get_secret_value())
    show = Show(settings.state_dir, assets, login)
    programs = Programs(settings.state_dir, stopping)
    routes = [
        *views.routes(show),
        *Forms(show, login).routes(),
        Route("/static/{name:path}", assets.serve, methods=["GET"]),
        Route("/live", programs.live, methods=["GET"]),
        Route("/metrics", programs.metrics, methods=["GET"]),
        Route("/healthz", programs.health, methods=["GET"]),
    ]

    async def refuse(request: Request, error: Exception) -> Response:
        return _refusal(show, request, error)

    return Door(
        Starlette(routes=routes, exception_handlers={HTTPException: refuse, 500: refuse}), login, settings.status_hosts
    )


class Programs:
    """What is read by programs: a browser's event stream, Prometheus, a health check."""

    def __init__(self, state_dir: Path, stopping: Callable[[], bool]) -> None:
        self.state_dir = state_dir
        self.stream = Live(lambda: (version(state_dir), self._glance()), stopping)

    async def live(self, _request: Request) -> Response:
        if self.stream.full:
            raise HTTPException(503)
        return StreamingResponse(
            self.stream.events(), media_type="text/event-stream", headers={"x-accel-buffering": "no"}
        )

    async def metrics(self, _request: Request) -> Response:
        return Response(metrics.exposition(self.state_dir), headers={"content-type": metrics.CONTENT_TYPE})

    async def health(self, _request: Request) -> Response:
        """Of this process alone; it says, too, whether one is safe, but a sidecar that is away does not make it ill."""
        glance = self._glance()
        return JSONResponse({"ok": True, "safe": glance.safe, "state": glance.state, "freshness_seconds": glance.age})

    def _glance(self) -> Glance:
        with facts.opened(self.state_dir) as view:
            return look(self.state_dir, facts.facts(view))


_REFUSALS = {
    404: ("There is no such page.", "It may have been one of a restore point that retention has taken away."),
    405: ("This page only shows.", "Nothing here can be changed from a browser."),
    503: ("Too many readers at once.", "Close a few of the windows that show this page."),
}


def _refusal(show: Show, request: Request, error: Exception) -> Response:
    code = error.status_code if isinstance(error, HTTPException) else 500
    headers = dict(error.headers or {}) if isinstance(error, HTTPException) else {}
    what, hint = _REFUSALS.get(code, ("This did not work.", "Reload the page."))
    if "text/html" not in request.headers.get("accept", ""):
        return PlainTextResponse(f"{what} {hint}\n", status_code=code, headers=headers)
    return show.page("refusal.html", request, code=code, headers=headers, what=what, hint=hint)
