"""The Bot API over HTTP: /bot<token>/<method>, parameters as a query, a form or JSON."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from telegram_stand_in.errors import ApiError
from telegram_stand_in.faults import Fault, Faults
from telegram_stand_in.methods import Parameters, call
from telegram_stand_in.world import World


@dataclass
class Api:
    """One Bot API: what it knows, whom it lets in, what goes wrong, and the calls so far."""

    token: str
    world: World = field(default_factory=World)
    faults: Faults = field(default_factory=Faults)
    calls: deque[tuple[str, Parameters]] = field(default_factory=lambda: deque(maxlen=10_000))


API = web.AppKey("api", Api)


def application(api: Api) -> web.Application:
    """The server's routes."""
    app = web.Application()
    app[API] = api
    app.router.add_route("*", "/bot{token:[^/]+}/{method}", _answer)
    return app


async def _answer(request: web.Request) -> web.StreamResponse:
    api, method = request.app[API], request.match_info["method"].lower()
    parameters = await _parameters(request)
    api.calls.append((method, parameters))
    if request.match_info["token"] != api.token:
        return _refusal(ApiError(401, "Unauthorized"))
    fault = api.faults.next(method)
    if fault:
        await asyncio.sleep(fault.delay)
        if not fault.after and (fault.drop or not fault.delay):
            return _suffer(request, fault)
    try:
        result = await call(api.world, method, parameters)
    except ApiError as error:
        return _refusal(error)
    if fault and fault.after:
        return _suffer(request, fault)
    return web.json_response({"ok": True, "result": result})


def _suffer(request: web.Request, fault: Fault) -> web.StreamResponse:
    if fault.drop:
        if request.transport:
            request.transport.abort()
        return web.Response()
    return _refusal(ApiError(fault.status, fault.description, fault.retry_after))


def _refusal(error: ApiError) -> web.Response:
    body: dict[str, Any] = {"ok": False, "error_code": error.code, "description": error.description}
    if error.retry_after is not None:
        body["parameters"] = {"retry_after": error.retry_after}
    return web.json_response(body, status=error.code)


async def _parameters(request: web.Request) -> Parameters:
    found: Parameters = dict(request.query)
    if request.content_type == "application/json":
        try:
            given = json.loads(await request.text() or "{}")
        except ValueError:
            given = None
        found |= given if isinstance(given, dict) else {}
    else:
        found |= {name: value for name, value in (await request.post()).items() if isinstance(value, str)}
    return found
