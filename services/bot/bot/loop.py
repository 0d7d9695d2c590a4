"""The bot's life: open, act at the asked rate, look after itself once a second, stop, close."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import sqlite3
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from pathlib import Path

from bot.config import Config
from bot.document import Document, complete, count
from bot.errors import DatabaseError
from bot.heartbeat import beat, heartbeat_path
from bot.premium import Premium
from bot.requests import Requests
from bot.sqlite_file import SqliteFile, is_lasting
from bot.traffic import Traffic
from bot.trouble import Troubles
from bot_modules.database import load_data, save_data

LOOK_EVERY = 1.0
REPORT_EVERY = 60.0
CATCH_UP = 1.0
"""Seconds of actions made up for after a stall; what is older is let go rather than sent as a flood."""
PAUSE_AFTER_FAILURE = 1.0
ACTIONS_AT_A_STRETCH = 50

log = logging.getLogger("bot")


@dataclass
class Bot:
    """What is open while the bot lives."""

    traffic: Traffic
    files: tuple[SqliteFile, ...]
    document: Document
    heartbeat: Path
    troubles: Troubles = field(default_factory=Troubles)
    actions: int = 0
    saved_actions: int = -1


async def live(config: Config) -> None:
    """Runs until SIGTERM or SIGINT; then the action in flight is finished and everything closed."""
    stop = _stop_signal()
    async with _opened(config) as bot:
        started = time.monotonic()
        await _act_until(stop, bot, config.traffic)
        await _save(bot)
        seconds = time.monotonic() - started
    log.info("stopped: %d actions in %.0f s, %d failures", bot.actions, seconds, bot.troubles.failures)


def _stop_signal() -> asyncio.Event:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    return stop


@asynccontextmanager
async def _opened(config: Config) -> AsyncIterator[Bot]:
    premium = Premium(config.sqlite_dir)
    with closing(premium.file):
        requests = Requests(config.sqlite_dir)
        with closing(requests.file):
            document = complete(await load_data())
            count(document, "starts")
            seed = config.seed or secrets.token_hex(8)
            traffic = Traffic(seed, premium, requests, document)
            bot = Bot(traffic, (premium.file, requests.file), document, heartbeat_path())
            where = f"databases in {config.sqlite_dir}, document in {config.json_dir}"
            log.info("started: %g actions a second, seed %s, %s", config.traffic, seed, where)
            try:
                yield bot
            finally:
                bot.heartbeat.unlink(missing_ok=True)


async def _act_until(stop: asyncio.Event, bot: Bot, rate: float) -> None:
    next_look = report = time.monotonic()
    next_action = report if rate else float("inf")
    reported = 0
    while not stop.is_set():
        now = time.monotonic()
        if now >= next_look:
            await _look_after(bot)
            next_look = now + LOOK_EVERY
        if now >= report + REPORT_EVERY:
            log.info("%d actions in the last %.0f s", bot.actions - reported, now - report)
            report, reported = now, bot.actions
        next_action = max(next_action, now - CATCH_UP)
        for _ in range(ACTIONS_AT_A_STRETCH):
            if next_action > time.monotonic():
                break
            next_action += 1 / rate
            if not _act(bot):
                next_action = time.monotonic() + PAUSE_AFTER_FAILURE
        await _wait(stop, min(next_look, next_action))


async def _wait(stop: asyncio.Event, until: float) -> None:
    """Lets everything else run, and returns at `until` or as soon as the bot is to stop."""
    try:
        async with asyncio.timeout(max(0.0, until - time.monotonic())):
            await stop.wait()
    except TimeoutError:
        pass


def _act(bot: Bot) -> bool:
    """Whether one more action succeeded."""
    try:
        bot.traffic.act(int(time.time()))
    except sqlite3.Error as error:
        _raise_lasting(error)
        bot.troubles.failed("an action", error, time.monotonic())
        return False
    bot.actions += 1
    bot.troubles.worked("an action", time.monotonic())
    return True


async def _look_after(bot: Bot) -> None:
    """Checks the databases, saves the document, and gives a sign of life when all of it works."""
    try:
        for file in bot.files:
            file.check()
        await _save(bot)
    except (sqlite3.Error, OSError) as error:
        _raise_lasting(error)
        bot.troubles.failed("looking after the files", error, time.monotonic())
        return
    bot.troubles.worked("looking after the files", time.monotonic())
    if not bot.troubles.any():
        beat(bot.heartbeat)


async def _save(bot: Bot) -> None:
    if bot.saved_actions != bot.actions:
        actions = bot.actions
        await save_data(bot.document)
        bot.saved_actions = actions


def _raise_lasting(error: Exception) -> None:
    if isinstance(error, sqlite3.Error) and is_lasting(error):
        raise DatabaseError(
            f"a database is damaged: {error}",
            "stop the bot, keep the files aside, and restore the latest backup",
        ) from error
