"""Connections on which a request does not come: each has a few seconds, and there are never many of them."""

from __future__ import annotations

import asyncio
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# A whole request, its body included: the largest is a form with a password.
REQUEST_SECONDS = 10.0
# Far below what is served at once, so that half-sent requests of one client keep nobody else out.
MOST_WAITING = 64


class PatientProtocol(H11Protocol):
    """Patient for so long, and no longer. When too many wait, the one that has waited longest goes."""

    _waiting: dict[PatientProtocol, None] = {}  # noqa: RUF012 - of all connections, in the order in which they began to wait
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.their_state in (h11.IDLE, h11.SEND_BODY):
            self._wait()
        else:
            self._stop_waiting()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _wait(self) -> None:
        if self._deadline is not None:
            return
        self._deadline = self.loop.call_later(REQUEST_SECONDS, self._give_up)
        self._waiting[self] = None
        if len(self._waiting) > MOST_WAITING:
            next(iter(self._waiting))._give_up()

    def _stop_waiting(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        self._waiting.pop(self, None)

    def _give_up(self, *_: Any) -> None:
        self._stop_waiting()
        self.transport.abort()
