"""The one installation that may write a source's mirror, moved on purpose only."""

from __future__ import annotations

import socket
from uuid import UUID

from psycopg2.extensions import connection as Connection

from mirror.catalog import State
from mirror.errors import TargetTaken


def require(state: State | None, source: str, installation: UUID) -> None:
    """Raises TargetTaken when another installation is the holder of the source."""
    if state is not None and state.holder is not None and state.holder != installation:
        raise TargetTaken(
            f"the source {source} is written by another installation ({state.holder} on {state.holder_host}, since "
            f"{state.held_since})",
            "if that installation is gone for good, take over here with: ./sidemirror take-over; if it still runs, give "
            "this bot another SOURCE_NAME",
        )


def take(connection: Connection, source: str, installation: UUID) -> None:
    """Makes this installation the holder."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE sidemirror.sources SET holder = %s, holder_host = %s, held_since = now() "
            "WHERE name = %s AND holder IS DISTINCT FROM %s",
            (str(installation), socket.gethostname(), source, str(installation)),
        )
