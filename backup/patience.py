"""How long a target may take nothing of what is sent to it.

A connection gives up after mirror.target.SILENT_SECONDS without an answer of the other side's kernel, so that a network that
was cut is noticed soon. The kernel measures a target that is there but reads nothing, because its disk is slow, by the same
option (tcp(7), TCP_USER_TIMEOUT; since Linux 5.11 also while the window is closed). Only a COPY can be met by that:
everything else is read whole before it is worked on.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from psycopg2.extensions import connection as Connection

from mirror.target import SILENT_SECONDS

STALLED_SECONDS = 90


@contextmanager
def of_a_slow_reader(connection: Connection) -> Iterator[None]:
    """Inside, the target may read nothing for STALLED_SECONDS."""
    with socket.socket(fileno=os.dup(connection.fileno())) as wire:
        _give_up_after(wire, STALLED_SECONDS)
        try:
            yield
        finally:
            _give_up_after(wire, SILENT_SECONDS)


def _give_up_after(wire: socket.socket, seconds: int) -> None:
    if wire.family in (socket.AF_INET, socket.AF_INET6):
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, seconds * 1000)
