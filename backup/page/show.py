"""From facts to HTML: every page has the answer, its state, and the addresses of style and scripts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from backup.answer import place
from backup.page import facts, words
from backup.page.assets import Assets
from backup.page.glance import look, version
from backup.page.login import COOKIE, Login
from mirror.plain_text import shown_lines

TEMPLATES = Path(__file__).parent / "templates"


def _plain(value: object) -> object:
    """Whatever a template shows of others: names and values without characters that are not seen."""
    return shown_lines(value) if type(value) is str else value


class Show:
    """`page` renders a template for a request."""

    def __init__(self, state_dir: Path, assets: Assets, login: Login) -> None:
        self.state_dir = state_dir
        self.login = login
        self.environment = Environment(
            loader=FileSystemLoader(TEMPLATES),
            autoescape=select_autoescape(default=True, default_for_string=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            auto_reload=False,
            finalize=_plain,
        )
        self.environment.filters.update(words.FILTERS)
        self.environment.globals.update(asset=assets.address)

    def page(
        self, template: str, request: Request, code: int = 200, headers: dict[str, str] | None = None, **values: Any
    ) -> Response:
        """The page as of now."""
        with facts.opened(self.state_dir) as view:
            told = facts.facts(view)
        glance = look(self.state_dir, told)
        values = {
            "glance": glance,
            "sentence": words.sentence(glance.sentence, glance.equal_at),
            "told": told,
            "where": where(told),
            "path": request.url.path,
            "version": f"{version(self.state_dir)}/{glance.state}",
            "can_leave": self.login.needed and self.login.knows(request.cookies.get(COOKIE, "")),
            **values,
        }
        return HTMLResponse(self.environment.get_template(template).render(values), status_code=code, headers=headers)


def where(told: dict[str, Any]) -> str:
    """The target as a person calls it."""
    host = str(told.get("host", ""))
    if not host:
        return "no target yet"
    return (
        "the local stand-in for Supabase" if host == "postgres" else "Supabase" if place(host) == "Supabase" else host
    )
