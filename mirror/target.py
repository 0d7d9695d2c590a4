"""The connection to the target, and what its errors mean to a person.

One connection, opened for a piece of work and closed after it. It must work through a transaction pooler, so there
is no session state: no SET, no prepared statement, no start-up option; `autocommit` is on (psycopg2 keeps that on its
own side) and every transaction is begun and ended by the statement that needs it.

libpq repeats parts of what it was given in its messages, so none of its text is ever shown: each error is recognised
and told in our own words.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg2
from psycopg2.extensions import TRANSACTION_STATUS_IDLE
from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor
from psycopg2.sql import Composable

from mirror.errors import (
    EDITED_HINT,
    SidemirrorError,
    TargetEdited,
    TargetError,
    TargetExposed,
    TargetFull,
    TargetMoved,
    TargetRefused,
    TargetTaken,
    TargetUnreachable,
)
from mirror.settings import Settings
from mirror.target_words import BY_WORDS, says

CONNECT_SECONDS = 15
SILENT_SECONDS = 20  # after which a connection is given up whose other side's kernel does not answer

# Sent at the head of every transaction, because no session setting survives a transaction pooler. They fix the text form
# of values, and lift Supabase's statement limit of two minutes.
LOCAL_SETTINGS = (
    "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '60s'; "
    "SET LOCAL idle_in_transaction_session_timeout = '15min'; "
    "SET LOCAL extra_float_digits = 1; SET LOCAL bytea_output = 'hex'; SET LOCAL standard_conforming_strings = on; "
    "SET LOCAL client_min_messages = warning; SET LOCAL search_path = pg_catalog, pg_temp;"
)
# Before a statement that is a transaction of its own: sent together they are one (protocol-flow.html, 53.2.2.1).
_PATH = "SET LOCAL search_path = pg_catalog, pg_temp; "
_ON_ITS_OWN = ("SELECT", "WITH", "INSERT", "UPDATE", "DELETE")

# Raised by our own functions in the target (mirror/sql); class SM is free for us.
OWN_SQLSTATES: dict[str, tuple[type[TargetError], str]] = {
    "SM001": (
        TargetTaken,
        "if that installation is gone for good, take over here with: ./sidemirror take-over",
    ),
    "SM002": (TargetMoved, "nothing to do: the next run starts from where the target is now"),
    "SM004": (TargetEdited, EDITED_HINT),
    "SM005": (TargetMoved, "choose another one: ./sidemirror restore --list shows them"),
    "SM003": (
        TargetExposed,
        "revoke what was granted: ./sidemirror check shows the statement; the mirror must not be readable by the Data API",
    ),
}


class OwnPath(Cursor):
    """Sees to it that no statement calls a function or an operator of somebody else that fits better than Postgres' own."""

    def execute(self, query: str | bytes | Composable, vars: Any = None) -> None:
        text = query.as_string(self) if isinstance(query, Composable) else query
        text = text.decode() if isinstance(text, bytes) else text
        idle = self.connection.info.transaction_status == TRANSACTION_STATUS_IDLE
        super().execute(_PATH + text if idle and text.lstrip().startswith(_ON_ITS_OWN) else text, vars)


@contextmanager
def connected(settings: Settings) -> Iterator[Connection]:
    """A connection in autocommit mode, closed at the end; every driver error leaves as a TargetError."""
    with translated(settings):
        connection = connect(settings)
        try:
            yield connection
        finally:
            connection.close()


def connect(settings: Settings) -> Connection:
    """A connection in autocommit mode. Raises the driver's errors: only called inside `translated`."""
    connection = psycopg2.connect(
        host=settings.supabase_db_host,
        port=settings.supabase_db_port,
        dbname=settings.supabase_db_name,
        user=settings.supabase_db_user,
        password=settings.supabase_db_password.get_secret_value(),
        sslmode=settings.supabase_db_sslmode,
        sslrootcert=str(settings.supabase_db_sslrootcert or ""),
        connect_timeout=CONNECT_SECONDS,
        application_name="sidemirror",
        cursor_factory=OwnPath,
        # While an answer is awaited, and while something sent is not acknowledged.
        keepalives_idle=SILENT_SECONDS // 4,
        keepalives_interval=SILENT_SECONDS // 4,
        keepalives_count=3,
        tcp_user_timeout=SILENT_SECONDS * 1000,
    )
    connection.autocommit = True
    return connection


@contextmanager
def reading(connection: Connection) -> Iterator[Cursor]:
    """A cursor inside a transaction that sees the target as it is at one instant, and changes nothing."""
    with connection.cursor() as cursor:
        cursor.execute(f"BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; {LOCAL_SETTINGS}")
        yield cursor
        cursor.execute("COMMIT")


@contextmanager
def translated(settings: Settings) -> Iterator[None]:
    """Turns what the driver raises into a TargetError that can be shown to anyone."""
    try:
        yield
    except psycopg2.Error as error:
        raise explain(error, settings) from None


def explain(error: psycopg2.Error, settings: Settings) -> SidemirrorError:
    """The error in our own words, without a word of the driver's that could hold a secret."""
    code = error.pgcode or ""
    if code in OWN_SQLSTATES:
        kind, hint = OWN_SQLSTATES[code]
        return kind(str(error.diag.message_primary), hint)
    raw = str(error)
    facts = {
        "host": settings.supabase_db_host,
        "port": settings.supabase_db_port,
        "user": settings.supabase_db_user,
        "database": settings.supabase_db_name,
        "sslmode": settings.supabase_db_sslmode,
        "ca": settings.supabase_db_sslrootcert,
    }
    # Class XX is what Supabase's pooler uses for its own refusals.
    if not code or code[:2] in ("08", "28", "3D", "53", "57", "XX"):
        for words, kind, what, hint in BY_WORDS:
            if says(raw, words):
                return kind(what.format(**facts), hint.format(**facts))
    return _by_sqlstate(error, code, facts)


def _by_sqlstate(error: psycopg2.Error, code: str, facts: dict[str, object]) -> TargetError:
    where = "{host}:{port}".format(**facts)
    if code == "25006":
        return TargetFull(
            f"{where} is read-only: the database is over its size limit",
            "shorten RETENTION or delete what you do not need, then in Supabase: Database, Usage; the data that is "
            "there is safe",
        )
    if code == "53100":
        return TargetFull(f"the disk of {where} is full", "make room there; nothing of this run was kept")
    if code == "42501":
        return TargetRefused(
            f"{facts['user']} may not do this at {where}: {error.diag.message_primary}",
            "connect as the user postgres (Supabase: postgres.<project ref>)",
        )
    if code == "2BP01":
        return TargetRefused(
            f"something of yours at {where} hangs on a mirrored table that changes: {error.diag.message_detail}",
            "drop it and make it again after the run; views over a mirror belong into a schema of their own",
        )
    if code == "57014":
        return TargetUnreachable(
            f"{where} ended the statement: it took longer than its limit",
            "it is tried again; if it stays so, raise the limit there: ALTER ROLE postgres SET statement_timeout = '10min'",
        )
    if code == "55P03":
        return TargetUnreachable(f"another session at {where} holds a lock that this run needs", "it is tried again")
    cut = isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError) and code[:2] in ("", "08", "57", "53")
    if cut or (code[:2] == "XX" and error.diag.severity_nonlocalized == "FATAL"):
        return TargetUnreachable(
            f"the connection to {where} broke",
            "it is tried again; nothing of an unfinished run is kept. If it stays so: is the Supabase project paused?",
        )
    message = error.diag.message_primary or type(error).__name__
    return TargetError(
        f"Postgres at {where} refused a statement: {message} (SQLSTATE {code or 'none'})",
        "this should not happen: please report it with the log's lines before it",
    )
