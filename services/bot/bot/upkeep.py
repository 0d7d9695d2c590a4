"""What the bot does for itself: checks its files, saves its document, tidies up, and gives a sign of life."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Sequence

from aiogram import Bot

from bot.desk import raise_lasting
from bot.heartbeat import beat, heartbeat_path
from bot.paying_back import pay_back_pending
from bot.rules import Keep
from bot.sqlite_file import SqliteFile
from bot.tools import Tools
from bot.trouble import Troubles

LOOK_EVERY = 1.0
SAVE_EVERY = 5.0
TIDY_EVERY = 60.0
KIND = "looking after the files"

log = logging.getLogger("bot")


async def look_after(tools: Tools, files: Sequence[SqliteFile], troubles: Troubles) -> None:
    """Goes on until it is cancelled; raises BotError where the bot cannot go on."""
    heartbeat = heartbeat_path()
    next_save = next_tidy = time.monotonic()
    try:
        while True:
            now = time.monotonic()
            try:
                for file in files:
                    await tools.desk.once(file.check)
                if now >= next_save:
                    await tools.book.save()
                    next_save = now + SAVE_EVERY
                if now >= next_tidy:
                    await _tidy(tools)
                    next_tidy = now + TIDY_EVERY
            except (sqlite3.Error, OSError) as error:
                raise_lasting(error)
                troubles.failed(KIND, error, time.monotonic())
            else:
                troubles.worked(KIND, time.monotonic())
            if not troubles.any():
                beat(heartbeat)
            await asyncio.sleep(LOOK_EVERY)
    finally:
        heartbeat.unlink(missing_ok=True)


async def keep_paying_back(bot: Bot, tools: Tools) -> None:
    """Tries the refunds again that Telegram has not paid back yet; goes on until it is cancelled."""
    while True:
        await pay_back_pending(bot, tools)
        await asyncio.sleep(TIDY_EVERY)


async def _tidy(tools: Tools) -> None:
    now = int(time.time())
    rows = await tools.desk.once(tools.requests.clean_up, now, Keep())
    rows += await tools.desk.once(tools.premium.clean_up, now)
    if rows:
        log.info("tidied up %d rows that ran out", rows)
