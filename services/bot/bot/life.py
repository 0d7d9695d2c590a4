"""The bot's life: open, say hello to Telegram, handle updates, look after itself once a second, stop, close."""

from __future__ import annotations

import asyncio
import logging
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from aiogram import Bot
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.exceptions import AiogramError, TelegramNotFound, TelegramUnauthorizedError
from aiogram.types import BotCommand

from bot.book import Book
from bot.config import Config
from bot.desk import Desk
from bot.errors import TokenError
from bot.handlers import new_dispatcher
from bot.patience import Patience
from bot.poller import Poller, until
from bot.premium import Premium
from bot.requests import Requests
from bot.sqlite_file import SqliteFile
from bot.texts import COMMANDS
from bot.tools import Tools
from bot.trouble import Troubles
from bot.upkeep import keep_paying_back, look_after

REQUEST_WITHIN = 15.0
PAUSE = 2.0
KIND = "reaching Telegram"

log = logging.getLogger("bot")


@dataclass
class Life:
    """What is open while the bot lives."""

    bot: Bot
    tools: Tools
    troubles: Troubles
    files: tuple[SqliteFile, ...]


async def live(config: Config) -> None:
    """Runs until SIGTERM or SIGINT; then the updates in hand are finished and everything is closed."""
    stop = _stop_signal()
    async with _opened(config) as life:
        started = time.monotonic()
        poller = Poller(life.bot, new_dispatcher(life.tools), life.troubles)
        if await _said_hello(life, config, stop):
            await _first_of(
                poller.run(stop),
                look_after(life.tools, life.files, life.troubles),
                keep_paying_back(life.bot, life.tools),
            )
        await life.tools.book.save()
        seconds = time.monotonic() - started
    log.info("stopped: %d updates in %.0f s, %d failures", poller.updates, seconds, life.troubles.failures)


async def _first_of(*work: Coroutine[Any, Any, None]) -> None:
    """Runs all of it until one part returns or raises; then the others are ended."""
    tasks = [asyncio.create_task(each) for each in work]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Life]:
    troubles = Troubles()
    desk = Desk(troubles)
    files: list[SqliteFile] = []
    session = AiohttpSession(api=TelegramAPIServer.from_base(config.api_base), timeout=REQUEST_WITHIN)
    session.middleware(Patience())
    try:
        premium = await desk.once(Premium, config.sqlite_dir)
        files.append(premium.file)
        requests = await desk.once(Requests, config.sqlite_dir)
        files.append(requests.file)
        tools = Tools(desk, premium, requests, await Book.opened())
        await tools.book.save()
        log.info("started: databases in %s, document in %s", config.sqlite_dir, config.json_dir)
        yield Life(Bot(config.token, session=session), tools, troubles, tuple(files))
    finally:
        for file in files:
            await desk.once(file.close)
        desk.close()
        await session.close()


async def _said_hello(life: Life, config: Config, stop: asyncio.Event) -> bool:
    """Whether Telegram knows the bot; False when the bot is to stop first. Raises TokenError."""
    while not stop.is_set():
        try:
            me = await until(stop, life.bot.me())
            if me is None:
                return False
            commands = [BotCommand(command=name, description=text) for name, text in COMMANDS.items()]
            await until(stop, life.bot.set_my_commands(commands))
        except (TelegramUnauthorizedError, TelegramNotFound) as error:
            raise TokenError(config.api_base) from error
        except AiogramError as error:
            life.troubles.failed(KIND, error, time.monotonic(), may_last=True)
            await until(stop, asyncio.sleep(PAUSE))
        else:
            life.troubles.over(KIND)
            log.info("connected: @%s at %s", me.username, config.api_base)
            return True
    return False
