"""The views: home, the line of time, a restore point, a table, the documents and the difference between two versions."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from backup.page import documents, facts, history, series
from backup.page.comparer import Comparer
from backup.page.show import Show
from backup.view import store

# A page of a source with thousands of tables is of no use to anybody; the largest are shown, and the page says so.
MOST_TABLES = 300
EVENTS_ON_HOME = 8


def routes(show: Show) -> list[Route]:
    """Their addresses."""
    found = Views(show)
    paths: dict[str, Callable[[Request], Awaitable[Response]]] = {
        "/": found.home,
        "/history": found.line,
        "/history/{run:int}": found.point,
        "/tables/{number:int}": found.table,
        "/documents": found.documents,
        "/documents/{number:int}": found.document,
        "/data/charts": found.charts,
        "/data/history": found.bars,
    }
    return [Route(path, view, methods=["GET"]) for path, view in paths.items()]


class Views:
    def __init__(self, show: Show) -> None:
        self.show = show
        self.state_dir = show.state_dir
        self.comparer = Comparer(show.state_dir)

    async def home(self, request: Request) -> Response:
        now = time.time()
        values: dict[str, Any] = {
            "databases": (),
            "shown": frozenset(),
            "left_out": 0,
            "documents": (),
            "size": None,
            "projection": None,
            "last": None,
            "restore_points": 0,
        }
        with facts.opened(self.state_dir) as view:
            happened = history.happenings(view, self.state_dir, EVENTS_ON_HOME)
            if view is not None:
                told = facts.facts(view)
                values["databases"] = facts.databases(view)
                values["shown"], values["left_out"] = _largest(values["databases"])
                values["documents"] = documents.documents(view)
                values["size"] = _one(view.execute("SELECT bytes FROM sizes ORDER BY at DESC LIMIT 1").fetchone())
                values["projection"] = series.projection(view, told.get("size_limit", 0), now)
                values["last"] = view.execute(
                    "SELECT at, seconds, lag, bytes_sent FROM tries ORDER BY at DESC LIMIT 1"
                ).fetchone()
                values["restore_points"] = _one(view.execute("SELECT count(*) FROM points").fetchone())
        return self.show.page("home.html", request, happenings=happened, now=now, **values)

    async def line(self, request: Request) -> Response:
        span = request.query_params.get("span", "week")
        if span not in history.SPANS:
            raise HTTPException(404)
        day, before = _day(request.query_params.get("day")), _number(request.query_params.get("before"))
        with facts.opened(self.state_dir) as view:
            found = history.points(view, before, day) if view is not None else ()
            happened = history.happenings(view, self.state_dir)
        more = len(found) > history.POINTS_ON_A_PAGE
        found = found[: history.POINTS_ON_A_PAGE]
        return self.show.page(
            "history.html",
            request,
            span=span,
            spans=tuple(history.SPANS),
            day=request.query_params.get("day") if day else None,
            points=found,
            older=found[-1].run if more else None,
            happenings=happened,
        )

    async def point(self, request: Request) -> Response:
        run = request.path_params["run"]
        with facts.opened(self.state_dir) as view:
            found = history.point(view, run) if view is not None and run < 1 << 62 else None
            if view is None or found is None:
                raise HTTPException(404)
            before, after = history.neighbours(view, run)
            changed = view.execute(
                "SELECT d.id, d.file, d.gone, max(v.run), "
                "(SELECT max(run) FROM versions WHERE document_id = d.id AND run <= ?1), "
                "(SELECT count(*) FROM versions WHERE document_id = d.id) "
                "FROM versions AS v JOIN documents AS d ON d.id = v.document_id WHERE v.run > ?1 GROUP BY d.id "
                "ORDER BY d.file LIMIT 200",
                (run,),
            ).fetchall()
            since, brought = history.changes_since(view, run), history.changes_of(view, run)
        return self.show.page(
            "point.html",
            request,
            point=found,
            before=before,
            after=after,
            since=since[:MOST_TABLES],
            brought=brought[:MOST_TABLES],
            documents=changed,
            most_versions=store.VERSIONS,
        )

    async def table(self, request: Request) -> Response:
        number = request.path_params["number"]
        with facts.opened(self.state_dir) as view:
            found = facts.table(view, number) if view is not None and number < 1 << 62 else None
            if view is None or found is None:
                raise HTTPException(404)
            changes = view.execute(
                "SELECT p.run, q.at, p.added, p.changed, p.removed, p.rows FROM point_tables AS p "
                "JOIN points AS q ON q.run = p.run WHERE p.table_id = ? ORDER BY p.run DESC LIMIT 50",
                (number,),
            ).fetchall()
        return self.show.page("table.html", request, table=found, changes=changes)

    async def documents(self, request: Request) -> Response:
        with facts.opened(self.state_dir) as view:
            found = documents.documents(view) if view is not None else ()
        return self.show.page("documents.html", request, documents=found)

    async def document(self, request: Request) -> Response:
        number = request.path_params["number"]
        with facts.opened(self.state_dir) as view:
            every = documents.documents(view) if view is not None else ()
            found = next((one for one in every if one.id == number), None)
            if view is None or found is None:
                raise HTTPException(404)
            versions = documents.versions(view, number)
            after = _number(request.query_params.get("to")) or (versions[0].run if versions else 0)
            older = [version.run for version in versions if version.run < after]
            before = _number(request.query_params.get("from")) or (older[0] if older else None)
        size = sum(version.bytes or 0 for version in versions if version.run in (before, after))
        difference = await self.comparer.compare(number, before, after, size)
        return self.show.page(
            "document.html",
            request,
            document=found,
            versions=versions,
            before=before,
            to=after,
            lines=difference.lines,
            more=difference.more,
        )

    async def charts(self, _request: Request) -> Response:
        with facts.opened(self.state_dir) as view:
            told = facts.facts(view)
            found = {"runs": [[], [], [], []], "sizes": [[], []]} if view is None else series.charts(view)
        return JSONResponse({**found, "limit": told.get("size_limit")})

    async def bars(self, request: Request) -> Response:
        span = request.query_params.get("span", "week")
        if span not in history.SPANS:
            raise HTTPException(404)
        with facts.opened(self.state_dir) as view:
            found = {"bars": [[]] * 5, "width": 0} if view is None else history.bars(view, span, time.time())
            marks = [(one.at, one.group, one.good) for one in history.happenings(view, self.state_dir)]
        return JSONResponse({**found, "marks": marks})


def _largest(found: tuple[facts.DatabaseFacts, ...]) -> tuple[frozenset[int], int]:
    """The tables to show; and how many are left out, when they are too many for a page."""
    tables = sorted((table for one in found for table in one.tables), key=lambda table: -table.mirror)
    return frozenset(table.id for table in tables[:MOST_TABLES]), max(0, len(tables) - MOST_TABLES)


def _day(text: str | None) -> tuple[float, float] | None:
    """A day (UTC) as its beginning and end; None for none. Raises HTTPException for what is not a day."""
    if text is None:
        return None
    try:
        begin = datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=UTC)
        return begin.timestamp(), (begin + timedelta(days=1)).timestamp()
    except (ValueError, OverflowError):
        raise HTTPException(404) from None


def _number(text: str | None) -> int | None:
    if text is None or text == "":
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise HTTPException(404)
    return int(text)


def _one(row: Any) -> Any:
    return row[0] if row else None
