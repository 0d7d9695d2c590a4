"""What does not work at the moment, told once when it starts and once when it is over."""

from __future__ import annotations

import logging

from bot.errors import StuckError

STUCK_AFTER = 300.0
"""Seconds without success after which the bot ends, so that it is started afresh."""

log = logging.getLogger("bot")


class Troubles:
    """The kinds of work that fail, each with when that began. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._since: dict[str, float] = {}
        self.failures = 0

    def failed(self, kind: str, error: Exception, now: float) -> None:
        """Notes a failure. Raises StuckError when this kind has not worked for too long."""
        self.failures += 1
        if kind not in self._since:
            self._since[kind] = now
            log.error("%s failed: %s. The bot keeps trying, every second", kind, error)
        elif now - self._since[kind] > STUCK_AFTER:
            raise StuckError(
                f"{kind} has failed for {STUCK_AFTER:.0f} s, lately with: {error}",
                "free disk space, or end what locks the file; the bot is started again by its restart policy",
            ) from error

    def worked(self, kind: str, now: float) -> None:
        """Notes a success."""
        if kind in self._since:
            log.info("%s works again after %.0f s", kind, now - self._since.pop(kind))

    def any(self) -> bool:
        """Whether anything fails now."""
        return bool(self._since)
