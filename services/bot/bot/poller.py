"""Updates from Telegram to the handlers: none lost, none handled twice, in order within a chat.

An update is confirmed only after it was handled (the next getUpdates asks for what is above it), so one that a crash
interrupts comes again. Those of different chats are handled at the same time.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import OrderedDict, defaultdict
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, TypeVar

from aiogram import Bot, Dispatcher
from aiogram.exceptions import (
    AiogramError,
    TelegramAPIError,
    TelegramConflictError,
    TelegramNotFound,
    TelegramRetryAfter,
    TelegramUnauthorizedError,
)
from aiogram.methods import TelegramMethod
from aiogram.types import Update
from pydantic import ValidationError

from bot.errors import BotError, TokenError
from bot.trouble import Troubles

POLL = 20
"""Seconds that Telegram holds a question for updates when there are none."""
ANSWER_WITHIN = 15
LONGEST_PAUSE = 30.0
FINISH_WITHIN = 20.0
"""Seconds that updates in hand get when the bot is to stop."""
REMEMBERED = 5_000
KIND = "asking Telegram for updates"
OTHER_BOT = "another program asks for this bot's updates: end it, or give each its own token"

T = TypeVar("T")
Raw = dict[str, Any]
log = logging.getLogger("bot")


class GetRawUpdates(TelegramMethod[list[dict[str, Any]]]):
    """getUpdates, undecoded: one update of a form that is not known must not hold up all others."""

    __returning__ = list[dict[str, Any]]
    __api_method__ = "getUpdates"

    offset: int | None = None
    limit: int | None = None
    timeout: int | None = None
    allowed_updates: list[str] | None = None


class Poller:
    """Asks, hands out, confirms. `run` returns when the bot is to stop."""

    def __init__(self, bot: Bot, dispatcher: Dispatcher, troubles: Troubles) -> None:
        self._bot = bot
        self._dispatcher = dispatcher
        self._troubles = troubles
        self._allowed = dispatcher.resolve_used_update_types()
        self._handled: OrderedDict[int, None] = OrderedDict()
        self._pause = 1.0
        self.offset: int | None = None
        self.updates = 0

    async def run(self, stop: asyncio.Event) -> None:
        """Raises BotError where the bot cannot go on."""
        while not stop.is_set():
            if batch := await self._ask(stop):
                await self._handle(batch, stop)
        await self._confirm()

    async def _ask(self, stop: asyncio.Event) -> list[Raw]:
        question = GetRawUpdates(offset=self.offset, timeout=POLL, allowed_updates=self._allowed)
        try:
            batch = await until(stop, self._bot(question, request_timeout=POLL + ANSWER_WITHIN))
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise TokenError(self._bot.session.api.base.partition("/bot{")[0]) from error
        except AiogramError as error:
            await self._wait(error, stop)
            return []
        if batch is not None:
            self._troubles.over(KIND)
            self._pause = 1.0
        return batch or []

    async def _wait(self, error: AiogramError, stop: asyncio.Event) -> None:
        told = RuntimeError(OTHER_BOT) if isinstance(error, TelegramConflictError) else error
        self._troubles.failed(KIND, told, time.monotonic(), may_last=True)
        pause = float(error.retry_after) if isinstance(error, TelegramRetryAfter) else self._pause
        self._pause = min(2 * self._pause, LONGEST_PAUSE)
        await until(stop, asyncio.sleep(pause))

    async def _handle(self, batch: list[Raw], stop: asyncio.Event) -> None:
        """Handles a batch; when the bot is to stop and it takes too long, what is left comes again next time."""
        chats: dict[object, list[Raw]] = defaultdict(list)
        for raw in sorted(batch, key=lambda each: each["update_id"]):
            chats[_chat_of(raw)].append(raw)
        work = asyncio.gather(*map(self._in_order, chats.values()))
        if await until(stop, asyncio.shield(work)) is None:
            try:
                await asyncio.wait_for(work, FINISH_WITHIN)
            except TimeoutError:
                log.warning("stopping with updates in hand: Telegram will send them again")
        left = [raw["update_id"] for raw in batch if raw["update_id"] not in self._handled]
        self.offset = min(left) if left else max(raw["update_id"] for raw in batch) + 1

    async def _in_order(self, updates: list[Raw]) -> bool:
        for raw in updates:
            if raw["update_id"] not in self._handled:
                await self._handle_one(raw)
                self._remember(raw["update_id"])
        return True

    async def _handle_one(self, raw: Raw) -> None:
        try:
            update = Update.model_validate(raw, context={"bot": self._bot})
            await self._dispatcher.feed_update(self._bot, update)
        except BotError:
            raise
        except TelegramUnauthorizedError as error:
            raise TokenError(self._bot.session.api.base.partition("/bot{")[0]) from error
        except ValidationError as error:
            log.warning(
                "update %s has an unknown form (%d problems): passed over", raw["update_id"], error.error_count()
            )
        except TelegramAPIError as error:
            log.warning("update %s: %s was refused: %s", raw["update_id"], error.method.__api_method__, error.message)
        except Exception:  # a fault of one handler is told, and the others go on
            log.exception("update %s could not be handled", raw["update_id"])
        self.updates += 1

    def _remember(self, update_id: int) -> None:
        self._handled[update_id] = None
        while len(self._handled) > REMEMBERED:
            self._handled.popitem(last=False)

    async def _confirm(self) -> None:
        """Tells Telegram what was handled last; the updates that this returns are left for the next start."""
        if self.offset is not None:
            with suppress(AiogramError):
                await self._bot(GetRawUpdates(offset=self.offset, limit=1, timeout=0), request_timeout=5)


async def until(stop: asyncio.Event, work: Awaitable[T]) -> T | None:
    """What `work` gives; None, and the work is cancelled, when the bot is to stop before."""
    doing = asyncio.ensure_future(work)
    stopping = asyncio.ensure_future(stop.wait())
    try:
        await asyncio.wait([doing, stopping], return_when=asyncio.FIRST_COMPLETED)
        return doing.result() if doing.done() else None
    finally:
        stopping.cancel()
        if not doing.done():
            doing.cancel()
            with suppress(asyncio.CancelledError):
                await doing


def _chat_of(raw: Raw) -> object:
    """What must stay in order: the updates of one chat, or else of one person."""
    for body in raw.values():
        if isinstance(body, dict):
            message = body.get("message", body)
            chat = message.get("chat") if isinstance(message, dict) else None
            found = chat if isinstance(chat, dict) else body.get("from")
            return found.get("id") if isinstance(found, dict) else None
    return None
