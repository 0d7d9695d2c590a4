"""What people prefer: kept in the JSON document, on the disk before they are told so."""

from __future__ import annotations

from aiogram import Router
from aiogram.filters import Command, CommandObject
from aiogram.types import Message, User

from bot.texts import LANGUAGES, Texts
from bot.tools import Tools
from bot.wording import LONGEST_NAME, cleaned, isolated


def new_router() -> Router:
    """The handlers of this module."""
    router = Router(name="settings")
    router.message.register(set_language, Command("language"))
    router.message.register(set_favourite, Command("favourite"))
    router.message.register(show, Command("settings"))
    return router


async def set_language(message: Message, command: CommandObject, person: User, tools: Tools, texts: Texts) -> None:
    """/language en|de"""
    if not await tools.may_use("language", message, person, texts):
        return
    language = cleaned(command.args or "").lower()
    if language not in LANGUAGES:
        await tools.answer(message, person, texts.language_how)
        return
    await tools.book.prefer(person.id, "language", language)
    await tools.answer(message, person, LANGUAGES[language].language_set)


async def set_favourite(message: Message, command: CommandObject, person: User, tools: Tools, texts: Texts) -> None:
    """/favourite NAME: what /gift alone means."""
    if not await tools.may_use("favourite", message, person, texts):
        return
    name = cleaned(command.args or "")
    if not name:
        await tools.answer(message, person, texts.gift_name_missing)
    elif len(name) > LONGEST_NAME:
        await tools.answer(message, person, texts.gift_name_long.format(longest=LONGEST_NAME))
    else:
        await tools.book.prefer(person.id, "favourite_gift", name)
        await tools.answer(message, person, texts.favourite_set.format(gift=isolated(name)))


async def show(message: Message, person: User, tools: Tools, texts: Texts) -> None:
    """/settings"""
    if await tools.may_use("settings", message, person, texts):
        favourite = tools.book.preference(person.id, "favourite_gift")
        gift = isolated(favourite) if favourite else texts.favourite_none
        await tools.answer(message, person, texts.settings.format(gift=gift))
