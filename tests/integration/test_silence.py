"""How long a connection waits for a target that is silent, as the kernel was told. What comes of it: tests/faults."""

from __future__ import annotations

import os
import socket

from fix_source import Source
from psycopg2.extensions import connection as Connection

from backup.patience import STALLED_SECONDS, of_a_slow_reader
from mirror.target import SILENT_SECONDS, connected


def patience(connection: Connection) -> tuple[int, int]:
    """Seconds: for something sent that is not acknowledged, and for an answer."""
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        idle, interval, count = (
            wire.getsockopt(socket.IPPROTO_TCP, option)
            for option in (socket.TCP_KEEPIDLE, socket.TCP_KEEPINTVL, socket.TCP_KEEPCNT)
        )
        assert wire.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE)
        return wire.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) // 1000, idle + interval * count


def test_silence_ends_a_connection_soon_and_a_slow_copy_does_not(source: Source) -> None:
    with connected(source.settings) as connection:
        assert patience(connection) == (SILENT_SECONDS, SILENT_SECONDS)
        with of_a_slow_reader(connection):
            assert patience(connection) == (STALLED_SECONDS, SILENT_SECONDS)
        assert patience(connection) == (SILENT_SECONDS, SILENT_SECONDS)
