"""What every handler works with."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from aiogram.types import InlineKeyboardMarkup, Message, User

from bot.book import Book
from bot.desk import Desk
from bot.premium import Premium
from bot.requests import Requests
from bot.rules import minute_of
from bot.texts import Texts

MOST_TOLD = 10_000


@dataclass
class Tools:
    """The data layer, and how to answer."""

    desk: Desk
    premium: Premium
    requests: Requests
    book: Book
    _told: dict[tuple[int, int], int] = field(default_factory=dict)

    async def may_use(self, command: str, message: Message, person: User, texts: Texts) -> bool:
        """Whether the person may give this command here now, noted when so; the first time not, they are told."""
        now = int(time.time())
        if await self.desk.do(self.requests.use_command, person.id, message.chat.id, f"/{command}", now):
            self.book.count("commands")
            return True
        await self.refuse(message, person, texts)
        return False

    async def refuse(self, message: Message, person: User, texts: Texts) -> None:
        """Says "too soon", once a minute to a person in a chat: a flood is answered with silence."""
        self.book.count("too_soon")
        key, minute = (person.id, message.chat.id), minute_of(int(time.time()))
        if self._told.get(key) == minute:
            return
        if len(self._told) >= MOST_TOLD:
            self._told.clear()
        self._told[key] = minute
        await self.answer(message, person, texts.too_soon)

    async def answer(
        self, message: Message, person: User, text: str, buttons: InlineKeyboardMarkup | None = None
    ) -> Message:
        """Answers a message; the answer belongs to `person`, who may have it deleted."""
        sent = await message.reply(text, reply_markup=buttons, allow_sending_without_reply=True)
        await self.own(sent, person)
        return sent

    async def own(self, sent: Message, person: User) -> None:
        """Notes for whom a message was sent."""
        now = int(time.time())
        await self.desk.do(self.requests.own_message, sent.message_id, sent.chat.id, person.id, now)
        self.book.count("messages_sent")
