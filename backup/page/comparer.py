"""Large documents are compared in a process of their own, so that the page's stays small and goes on answering."""

from __future__ import annotations

import asyncio
import json
import sys
from functools import partial
from pathlib import Path

from backup.page.difference import Line
from backup.page.documents import Compared, compared, largest

# Reading and comparing larger ones takes memory that a process does not give back, and time.
LARGE_BYTES = 128_000
MOST_LAID_OUT_HERE = 1_000_000  # characters, with what indents them
LONGEST_SECONDS = 20.0


class Comparer:
    """`compare` large documents one at a time, in a process that is ended when it takes too long."""

    def __init__(self, state_dir: Path) -> None:
        self.state_dir = state_dir
        self._one_at_a_time = asyncio.Lock()

    async def compare(self, document: int, before: int | None, after: int, size: int) -> Compared:
        """`size`: bytes of the two. As `compared`; nothing to show when it took too long."""
        laid_out = partial(largest, self.state_dir, document, before, after)
        if size <= LARGE_BYTES and await asyncio.to_thread(laid_out) <= MOST_LAID_OUT_HERE:
            return await asyncio.to_thread(compared, self.state_dir, document, before, after)
        arguments = (str(self.state_dir), str(document), str(before or ""), str(after))
        async with self._one_at_a_time:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "backup.page.documents", *arguments, stdout=asyncio.subprocess.PIPE
            )
            try:
                output, _ = await asyncio.wait_for(process.communicate(), LONGEST_SECONDS)
            except TimeoutError:
                return Compared(None)
            finally:
                if process.returncode is None:
                    process.kill()
                    await process.wait()
        if process.returncode != 0:
            return Compared(None)
        lines, more = json.loads(output)
        return Compared(None if lines is None else tuple(Line(*line) for line in lines), more)
