"""The updates that wait for the bot, with getUpdates' rules (https://core.telegram.org/bots/api#getupdates)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

from telegram_stand_in.errors import ApiError

Update = dict[str, Any]

EPOCH = 1_767_225_600
"""2026-01-01. Numbers start at the milliseconds since: a stand-in that is started anew never goes back."""
MOST_AT_ONCE = 100
OTHER_ASKED = "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running"


def first_number() -> int:
    """A number above every one that an earlier stand-in on this machine gave."""
    return int((time.time() - EPOCH) * 1000)


class UpdateQueue:
    """Updates stay until an offset above them is asked for; then they are gone for ever."""

    def __init__(self) -> None:
        self._waiting: list[Update] = []
        self._next = first_number()
        self._news = asyncio.Event()
        self._asking: object = None
        self._allowed: frozenset[str] = frozenset()
        self.offset = 0
        """What the bot has confirmed: everything below."""

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, content: Mapping[str, Any]) -> int:
        """Adds an update under the next number, which is returned. `content` is its one kind and body."""
        self._next += 1
        self.put_raw({"update_id": self._next, **content})
        return self._next

    def put_raw(self, update: Update) -> None:
        """Adds an update as it is: its number may be one that was there before, or lower."""
        self._next = max(self._next, update["update_id"])
        kinds = set(update) - {"update_id"}
        if self._allowed and not kinds & self._allowed:
            return
        self._waiting.append(update)
        self._news.set()

    async def take(self, offset: int, limit: int, timeout: float, allowed: Sequence[str] | None) -> list[Update]:
        """The updates from `offset` on, at most `limit`; waits up to `timeout` seconds for the first.

        Raises ApiError (409) when another call comes in meanwhile: the last one wins, as at Telegram.
        """
        me = self._asking = object()
        self._news.set()  # wakes who asked before, who then finds that it is no longer its turn
        if allowed is not None:
            self._allowed = frozenset(allowed)
        if offset < 0:
            self._waiting = self._waiting[offset:]
        else:
            self.offset = max(self.offset, offset)
            self._waiting = [each for each in self._waiting if each["update_id"] >= offset]
        deadline = time.monotonic() + timeout
        while not self._waiting and (left := deadline - time.monotonic()) > 0:
            self._news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(left):
                    await self._news.wait()
            if self._asking is not me:
                raise ApiError(409, OTHER_ASKED)
        return self._waiting[: min(limit, MOST_AT_ONCE)]
