"""Server-sent events: a line whenever there is something new to show, and one every few seconds to say that we are here.

https://html.spec.whatwg.org/multipage/server-sent-events.html
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable

from backup.page.glance import Glance

LOOK_SECONDS = 1.0
PING_SECONDS = 5.0
MOST_READERS = 50

# Browsers come back by themselves; this keeps a page that was forgotten from holding its place for ever.
LONGEST_SECONDS = 3600.0


class Live:
    """Counts its readers, so that nobody can open connections without end."""

    def __init__(self, look: Callable[[], tuple[str, Glance]], stopping: Callable[[], bool]) -> None:
        self.look = look
        self.stopping = stopping
        self.readers = 0

    @property
    def full(self) -> bool:
        return self.readers >= MOST_READERS

    async def events(self) -> AsyncIterator[str]:
        """What a reader is sent, until it goes away."""
        self.readers += 1
        try:
            yield "retry: 3000\n\n"
            last, quiet = "", 0.0
            for _ in range(int(LONGEST_SECONDS / LOOK_SECONDS)):
                if self.stopping():
                    return
                version, glance = self.look()
                mark = f"{version}/{glance.state}"
                if mark != last or quiet >= PING_SECONDS:
                    last, quiet = mark, 0.0
                    yield f"data: {json.dumps({'version': mark, 'state': glance.state})}\n\n"
                await asyncio.sleep(LOOK_SECONDS)
                quiet += LOOK_SECONDS
        finally:
            self.readers -= 1
