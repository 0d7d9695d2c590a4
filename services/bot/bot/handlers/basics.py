"""/start, /help and /stats."""

from __future__ import annotations

import time

from aiogram import Router
from aiogram.filters import Command
from aiogram.types import Message, User

from bot.rules import PREMIUM_STARS
from bot.texts import Texts
from bot.tools import Tools
from bot.wording import LONGEST_NAME, cleaned, isolated, shortened


def new_router() -> Router:
    """The handlers of this module."""
    router = Router(name="basics")
    router.message.register(start, Command("start"))
    router.message.register(show_help, Command("help"))
    router.message.register(stats, Command("stats"))
    return router


async def start(message: Message, person: User, tools: Tools, texts: Texts) -> None:
    """/start"""
    if await tools.may_use("start", message, person, texts):
        name = isolated(shortened(cleaned(person.full_name), LONGEST_NAME))
        await tools.answer(message, person, texts.start.format(name=name))


async def show_help(message: Message, person: User, tools: Tools, texts: Texts) -> None:
    """/help"""
    if await tools.may_use("help", message, person, texts):
        await tools.answer(message, person, texts.help.format(stars=PREMIUM_STARS))


async def stats(message: Message, person: User, tools: Tools, texts: Texts) -> None:
    """/stats: the counters of the document, and what the database says."""
    if not await tools.may_use("stats", message, person, texts):
        return
    groups = await tools.desk.do(tools.premium.groups_with_premium, int(time.time()))
    await tools.answer(
        message,
        person,
        texts.stats.format(
            gifts=tools.book.counter("gifts_given"),
            deleted=tools.book.counter("messages_deleted"),
            payments=tools.book.counter("payments"),
            groups=groups,
        ),
    )
