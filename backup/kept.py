"""One connection to the target for many runs: what it saves is the TCP, TLS and password exchange of each."""

from __future__ import annotations

import select
import time
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection

from mirror.settings import Settings
from mirror.target import connect, translated

# Longer than this it is not held for nothing: poolers have few places, and routers forget what is silent.
IDLE_SECONDS = 60.0


class KeptConnection:
    """Opened when it is needed and none is there that lives; after an error it is never used again."""

    def __init__(self) -> None:
        self._connection: Connection | None = None
        self._settings: Settings | None = None
        self._used = 0.0

    @contextmanager
    def connected(self, settings: Settings) -> Iterator[Connection]:
        """A connection in autocommit mode; every driver error leaves as a TargetError."""
        with translated(settings):
            connection = self._taken(settings) or connect(settings)
            try:
                yield connection
            except BaseException:
                connection.close()
                raise
            if connection.closed or connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                connection.close()
                return
            self._connection, self._settings, self._used = connection, settings, time.monotonic()

    def close_if_idle(self) -> None:
        """Gives it back once it has not been used for a while."""
        if self._connection is not None and time.monotonic() - self._used > IDLE_SECONDS:
            self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _taken(self, settings: Settings) -> Connection | None:
        """The kept one, if it still lives; asked without a round trip.

        A server or pooler that closed it has said so, and what it said is waiting to be read.
        """
        self.close_if_idle()
        connection, self._connection = self._connection, None
        if connection is None:
            return None
        readable = select.poll()
        readable.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        if self._settings == settings and not readable.poll(0):
            return connection
        connection.close()
        return None
