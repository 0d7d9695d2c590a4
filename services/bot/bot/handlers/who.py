"""Who is speaking, and in which language to answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from aiogram import BaseMiddleware
from aiogram.types import TelegramObject, User

from bot.texts import texts_for
from bot.tools import Tools


class Who(BaseMiddleware):
    """Gives handlers `person` and `texts`; what no person sent (a channel, another bot) goes no further."""

    def __init__(self, tools: Tools) -> None:
        self._book = tools.book

    async def __call__(
        self,
        handler: Callable[[TelegramObject, dict[str, Any]], Awaitable[Any]],
        event: TelegramObject,
        data: dict[str, Any],
    ) -> Any:
        person: User | None = data.get("event_from_user")
        if person is None or person.is_bot:
            return None
        preferred = self._book.preference(person.id, "language")
        return await handler(event, data | {"person": person, "texts": texts_for(preferred, person.language_code)})
