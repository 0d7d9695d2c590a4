"""The one installation that may write a source's mirror, moved on purpose only."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from uuid import UUID, uuid4

import psycopg2
from psycopg2 import errors
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mirror.catalog import State
from mirror.errors import TargetTaken, TargetUnreachable
from mirror.target import LOCAL_SETTINGS

_TAKE = (
    "UPDATE sidemirror.sources SET holder = %(here)s, holder_host = %(host)s,"
    " token = %(token)s, refused = NULL, refused_at = NULL, "
    "held_since = CASE WHEN holder IS DISTINCT FROM %(here)s THEN now() ELSE held_since END WHERE name = %(source)s"
)
_OLDER_TAKE = _TAKE.replace(" token = %(token)s, refused = NULL, refused_at = NULL,", "")
# Each time, a run that was in progress has ended meanwhile.
_TRIES = 100


def require(state: State | None, source: str, installation: UUID) -> None:
    """Raises TargetTaken when another installation is the holder of the source."""
    if state is not None and state.holder is not None and state.holder != installation:
        raise TargetTaken(
            f"the source {source} is written by another installation ({state.holder} on {state.holder_host}, since "
            f"{state.held_since})",
            "if that installation is gone for good, take over here with: ./sidemirror take-over; if it still runs, give "
            "this bot another SOURCE_NAME",
        )


def take(connection: Connection, source: str, installation: UUID, token: UUID) -> None:
    """Makes this installation the holder, under a token that it must know then."""
    with connection.cursor() as cursor:
        _take(cursor, source, installation, token)


def note_refused(connection: Connection, source: str) -> None:
    """Leaves word in the target that somebody was refused here. It may fail: the refusal itself is told all the same."""
    with suppress(psycopg2.Error), connection.cursor() as cursor:
        cursor.execute("SELECT sidemirror.note_refused(%s, %s)", (source, socket.gethostname()))


@dataclass
class Taking:
    """A transaction in which this installation is the holder; nothing of it is kept without `commit`."""

    cursor: Cursor
    source: str
    before: tuple[object, ...] | None  # who it was, on which host, and since when; None where there is no source yet
    token: UUID  # whoever writes next as the holder must know it

    def commit(self) -> None:
        self.cursor.execute("COMMIT")

    def give_back(self) -> None:
        """After `commit`: the holder is again who it was."""
        if self.before is not None:
            self.cursor.execute(
                "UPDATE sidemirror.sources SET (holder, holder_host, held_since) = (%s, %s, %s) WHERE name = %s",
                (*self.before, self.source),
            )


@contextmanager
def taking(connection: Connection, source: str, installation: UUID) -> Iterator[Taking]:
    """One transaction in which this installation is the holder, and which sees the target as it is from then on.

    Whoever else writes the mirror meanwhile waits for its end, and is refused then. Unless it is committed the holder is
    who it was, whatever ends the block. Raises TargetUnreachable when runs leave no pause to begin in.
    """
    with connection.cursor() as cursor:
        token = uuid4()
        before = _begin(cursor, source, installation, token)
        try:
            yield Taking(cursor, source, before, token)
        finally:
            if not connection.closed and connection.info.transaction_status != TRANSACTION_STATUS_IDLE:
                with suppress(psycopg2.Error):
                    cursor.execute("ROLLBACK")


def _begin(cursor: Cursor, source: str, installation: UUID, token: UUID) -> tuple[object, ...] | None:
    """A run that ends while its row is waited for makes what the transaction sees older than the row: begun again."""
    for _ in range(_TRIES):
        # Also in a database that is read-only by default, as Supabase makes one that is too large.
        cursor.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE; {LOCAL_SETTINGS}")
        try:
            cursor.execute(
                "SELECT holder, holder_host, held_since FROM sidemirror.sources WHERE name = %s FOR UPDATE", (source,)
            )
            before = cursor.fetchone()
            _take(cursor, source, installation, token)
        except errors.SerializationFailure:
            cursor.execute("ROLLBACK")
        else:
            return before
    raise TargetUnreachable(f"the source {source} is written to without a pause", "stop the sidecar that writes it")


def _take(cursor: Cursor, source: str, installation: UUID, token: UUID) -> None:
    cursor.execute(
        "SELECT EXISTS (SELECT FROM pg_attribute WHERE attrelid = 'sidemirror.sources'::regclass AND attname = 'token')"
    )
    [(tokens,)] = cursor.fetchall()  # an older catalog is read as it is, and a restore does not change that
    values = {"here": str(installation), "host": socket.gethostname(), "source": source, "token": str(token)}
    cursor.execute(_TAKE if tokens else _OLDER_TAKE, values)
