"""What does not work at the moment, told once when it starts and once when it is over."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from bot.errors import StuckError

STUCK_AFTER = 300.0
"""Seconds of trouble after which the bot ends, so that it is started afresh."""
CALM_AFTER = 5.0
"""Seconds without a failure until trouble is over: on a full disk the action that writes nothing succeeds."""

log = logging.getLogger("bot")


@dataclass
class _Trouble:
    since: float
    last: float


class Troubles:
    """The kinds of work that fail now. Times are monotonic seconds."""

    def __init__(self) -> None:
        self._now: dict[str, _Trouble] = {}
        self.failures = 0

    def failed(self, kind: str, error: Exception, now: float, may_last: bool = False) -> None:
        """Notes a failure. Raises StuckError when this kind has been in trouble for too long.

        `may_last`: a fresh start would not help, so it never does.
        """
        self.failures += 1
        if kind not in self._now:
            self._now[kind] = _Trouble(now, now)
            log.error("%s failed: %s. The bot keeps trying", kind, error)
            return
        trouble = self._now[kind]
        trouble.last = now
        if not may_last and now - trouble.since > STUCK_AFTER:
            raise StuckError(
                f"{kind} has failed for {STUCK_AFTER:.0f} s, lately with: {error}",
                "free disk space, or end what locks the file; the bot is started again by its restart policy",
            ) from error

    def worked(self, kind: str, now: float) -> None:
        """Notes a success; it ends the trouble when the last failure is long enough ago."""
        trouble = self._now.get(kind)
        if trouble and now - trouble.last >= CALM_AFTER:
            self.over(kind)

    def over(self, kind: str) -> None:
        """Ends the trouble at once: for what works all or not at all."""
        trouble = self._now.pop(kind, None)
        if trouble:
            log.info("%s works again, after %.0f s of trouble", kind, trouble.last - trouble.since)

    def any(self) -> bool:
        """Whether anything is in trouble now."""
        return bool(self._now)
