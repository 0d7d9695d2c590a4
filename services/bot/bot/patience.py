"""Calls to Telegram that wait: for a retry_after, for a network that is away, for a server that stumbles."""

from __future__ import annotations

import asyncio
import logging
import time

from aiogram import Bot
from aiogram.client.session.middlewares.base import BaseRequestMiddleware, NextRequestMiddlewareType
from aiogram.exceptions import TelegramNetworkError, TelegramRetryAfter, TelegramServerError
from aiogram.methods import Response, TelegramMethod
from aiogram.methods.base import TelegramType

PATIENCE = 60.0
"""Seconds after which a call is given up."""
FIRST_PAUSE = 0.25
LONGEST_PAUSE = 10.0

log = logging.getLogger("bot")


class Patience(BaseRequestMiddleware):
    """Repeats a call that may succeed later. Hello (life.py) and asking for updates (poller.py) repeat themselves.

    A call whose answer was lost is made again: better an answer twice than none.
    """

    async def __call__(
        self, make_request: NextRequestMiddlewareType[TelegramType], bot: Bot, method: TelegramMethod[TelegramType]
    ) -> Response[TelegramType]:
        if method.__api_method__ in ("getMe", "getUpdates"):
            return await make_request(bot, method)
        deadline, pause = time.monotonic() + PATIENCE, FIRST_PAUSE
        while True:
            try:
                return await make_request(bot, method)
            except TelegramRetryAfter as error:
                wait = float(error.retry_after)
                if time.monotonic() + wait > deadline:
                    raise
                log.warning("Telegram asks for a pause of %.0f s before %s", wait, method.__api_method__)
            except (TelegramNetworkError, TelegramServerError):
                wait = pause
                pause = min(2 * pause, LONGEST_PAUSE)
                if time.monotonic() + wait > deadline:
                    raise
            await asyncio.sleep(wait)
