"""The bot's one JSON document while it is open: changed in memory, saved as a whole."""

from __future__ import annotations

import asyncio
from typing import Any

from bot.document import Document, complete, count, prefer, preference
from bot_modules.database import load_data, save_data


class Book:
    """Counters are saved now and then; a preference is on the disk before its person is told so."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self._changes = 0
        self._saved = -1
        self._saving = asyncio.Lock()

    @classmethod
    async def opened(cls) -> Book:
        """The document as it was last saved, with this start counted."""
        book = cls(complete(await load_data()))
        book.count("starts")
        return book

    def count(self, name: str) -> None:
        """Adds one to a counter."""
        count(self.document, name)
        self._changes += 1

    def counter(self, name: str) -> int:
        """A counter's value."""
        return int(self.document["counters"].get(name, 0))

    def preference(self, user_id: int, name: str) -> Any:
        """A person's preference, None when there is none."""
        return preference(self.document, user_id, name)

    async def prefer(self, user_id: int, name: str, value: object) -> None:
        """Sets a person's preference and returns when it is durable."""
        prefer(self.document, user_id, name, value)
        self._changes += 1
        await self.save()

    async def save(self) -> None:
        """Makes the document durable as it is; nothing when it is. Many who wait share one save."""
        wanted = self._changes
        async with self._saving:
            if self._saved < wanted:
                changes = self._changes
                await save_data(self.document)
                self._saved = changes
