"""/gift, and taking back what the bot wrote."""

from __future__ import annotations

import time

from aiogram import F, Router
from aiogram.exceptions import TelegramBadRequest
from aiogram.filters import Command, CommandObject
from aiogram.types import CallbackQuery, InlineKeyboardButton, InlineKeyboardMarkup, Message, User

from bot.premium import MarketLinks
from bot.texts import Texts
from bot.tools import Tools
from bot.wording import LONGEST_NAME, cleaned, isolated, shortened

DELETE = "delete"


def new_router() -> Router:
    """The handlers of this module."""
    router = Router(name="gifts")
    router.message.register(gift, Command("gift"))
    router.message.register(delete_by_answer, Command("delete"))
    router.callback_query.register(delete_by_button, F.data == DELETE)
    return router


async def gift(message: Message, command: CommandObject, person: User, tools: Tools, texts: Texts) -> None:
    """/gift NAME: per person, chat and gift once a minute."""
    name = cleaned(command.args or "") or tools.book.preference(person.id, "favourite_gift")
    if not name or len(name) > LONGEST_NAME:
        if await tools.may_use("gift", message, person, texts):
            missing = texts.gift_name_long.format(longest=LONGEST_NAME) if name else texts.gift_name_missing
            await tools.answer(message, person, missing)
        return
    chat_id, now = message.chat.id, int(time.time())
    if not await tools.desk.do(tools.requests.request_gift, person.id, chat_id, name, now):
        await tools.refuse(message, person, texts)
        return
    tools.book.count("gifts_given")
    await tools.desk.do(tools.requests.log_command, person.id, chat_id, "/gift", now)
    whom = isolated(shortened(cleaned(person.full_name), LONGEST_NAME))
    button = InlineKeyboardButton(text=texts.delete, callback_data=DELETE)
    text = texts.gift.format(gift=isolated(name), name=whom)
    sent = await tools.answer(message, person, text, InlineKeyboardMarkup(inline_keyboard=[[button]]))
    if links := await tools.desk.do(tools.premium.links_of, chat_id, now):
        linked = await tools.answer(sent, person, texts.links.format(links=_shown(links)))
        await tools.desk.do(tools.requests.link_messages, sent.message_id, chat_id, linked.message_id, person.id, now)


async def delete_by_button(query: CallbackQuery, tools: Tools, texts: Texts) -> None:
    """The button below a gift."""
    done = query.message is not None and await _delete(query.message.chat.id, query.message.message_id, query, tools)
    await query.answer(texts.deleted if done else texts.not_yours)


async def delete_by_answer(message: Message, person: User, tools: Tools, texts: Texts) -> None:
    """/delete as an answer to the message that is meant."""
    meant = message.reply_to_message
    if meant is None or meant.from_user is None or message.bot is None or meant.from_user.id != message.bot.id:
        if await tools.may_use("delete", message, person, texts):
            await tools.answer(message, person, texts.nothing_to_delete)
        return
    if not await _delete(message.chat.id, meant.message_id, message, tools) and await tools.may_use(
        "delete", message, person, texts
    ):
        await tools.answer(message, person, texts.not_yours)


async def _delete(chat_id: int, message_id: int, asked: Message | CallbackQuery, tools: Tools) -> bool:
    """Whether the message was this person's. It goes from the chat first: a crash in between deletes nothing twice."""
    person, bot = asked.from_user, asked.bot
    if person is None or bot is None:
        return False
    messages = await tools.desk.do(tools.requests.deletable, message_id, chat_id, person.id)
    for each in messages:
        try:
            await bot.delete_message(chat_id, each)
        except TelegramBadRequest:  # it is gone already, or too old
            tools.book.count("deletions_without_effect")
    if messages:
        await tools.desk.do(tools.requests.delete_message, message_id, chat_id, person.id)
    tools.book.count("messages_deleted" if messages else "deletions_refused")
    return bool(messages)


def _shown(links: MarketLinks) -> str:
    return " ".join(link for link in (links.mrkt, links.palace, links.tonnel, links.portal) if link)
