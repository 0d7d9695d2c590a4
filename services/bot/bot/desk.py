"""Where the data layer works: one thread, in order, so that the event loop never waits for a disk."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from bot.errors import DatabaseError
from bot.sqlite_file import is_lasting
from bot.trouble import Troubles

PAUSE_AFTER_FAILURE = 1.0
KIND = "writing to a database"

P = ParamSpec("P")
T = TypeVar("T")


class Desk:
    """Runs calls of the data layer. One commit waits for the disk, or for another program's lock."""

    def __init__(self, troubles: Troubles) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="sqlite")
        self._troubles = troubles

    async def once(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The outcome of one try. A caller that is cancelled no longer waits, but the work is done."""
        future = self._thread.submit(work, *args, **kwargs)
        return await asyncio.shield(asyncio.wrap_future(future))

    async def do(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The outcome, tried again while the database is locked or the disk is full: each call is one transaction.

        Raises DatabaseError where waiting cannot help, StuckError when it has not helped for too long.
        """
        while True:
            try:
                outcome = await self.once(work, *args, **kwargs)
            except sqlite3.OperationalError as error:
                raise_lasting(error)
                self._troubles.failed(KIND, error, time.monotonic())
                await asyncio.sleep(PAUSE_AFTER_FAILURE)
            except sqlite3.Error as error:
                raise_lasting(error)
                raise
            else:
                self._troubles.worked(KIND, time.monotonic())
                return outcome

    def close(self) -> None:
        """Waits for what is being done."""
        self._thread.shutdown(wait=True)


def raise_lasting(error: Exception) -> None:
    """Raises DatabaseError when the error says that a file is damaged."""
    if isinstance(error, sqlite3.Error) and is_lasting(error):
        raise DatabaseError(
            f"a database is damaged: {error}",
            "stop the bot, keep the files aside, and restore the latest backup",
        ) from error
