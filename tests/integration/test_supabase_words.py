"""What only Supabase says, on a real wire: a small server that speaks Postgres's protocol as far as its refusals.

The texts are those of Supavisor 2.9 and of Postgres; each has to come out in our words, of the right kind, with its remedy.
"""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from commanding import backup
from fix_source import Source
from fix_target import Target
from restoring import fill

from backup.config import BackupSettings
from mirror import settings
from mirror.errors import SidemirrorError, TargetLogin, TargetRefused, TargetUnreachable
from mirror.target import connected

SECRET = "s3cret-Zq9"
SSL_REQUEST = 80877103


def _message(kind: bytes, body: bytes) -> bytes:
    return kind + struct.pack("!i", len(body) + 4) + body


def _refusal(code: str, text: str) -> bytes:
    fields = {"S": "FATAL", "V": "FATAL", "C": code, "M": text}
    return _message(b"E", b"".join(f"{key}{value}".encode() + b"\0" for key, value in fields.items()) + b"\0")


_STATE = {"client_encoding": "UTF8", "server_version": "17.0", "standard_conforming_strings": "on", "DateStyle": "ISO"}
WELCOME = (
    _message(b"R", struct.pack("!i", 0))
    + b"".join(_message(b"S", f"{name}\0{value}\0".encode()) for name, value in _STATE.items())
    + _message(b"Z", b"I")
)


@contextmanager
def server(at_login: bytes, at_query: bytes = b"") -> Iterator[int]:
    """Answers a login, and the first query when it let one in; then it closes."""

    def serve(listening: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listening.accept()
                with client, contextlib.suppress(OSError):
                    length, code = struct.unpack("!ii", client.recv(8))
                    if code == SSL_REQUEST:
                        client.sendall(b"N")
                        length, _ = struct.unpack("!ii", client.recv(8))
                    client.recv(length - 8)
                    client.sendall(at_login)
                    if at_login.endswith(WELCOME):
                        client.recv(65536)
                        client.sendall(at_query)

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def environ(port: int) -> dict[str, str]:
    return {
        "SUPABASE_DB_HOST": "127.0.0.1",
        "SUPABASE_DB_PORT": str(port),
        "SUPABASE_DB_USER": "postgres.abcdef",
        "SUPABASE_DB_PASSWORD": SECRET,
        "SUPABASE_DB_SSLMODE": "disable",
    }


def met(at_login: bytes, at_query: bytes = b"") -> SidemirrorError:
    with server(at_login, at_query) as port:
        loaded = settings.load(BackupSettings, environ(port))
        with pytest.raises(SidemirrorError) as caught, connected(loaded) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")
    assert SECRET not in f"{caught.value} {caught.value!r}"
    return caught.value


@pytest.mark.parametrize(
    ("code", "text", "kind", "what", "hint"),
    [
        ("XX000", "Tenant or user not found", TargetRefused, "does not know the user postgres.abcdef", "paused"),
        ("XX000", "(ENOTFOUND) tenant/user postgres.abcdef not found", TargetRefused, "does not know the user", "Connect"),
        ("28P01", 'password authentication failed for user "postgres"', TargetLogin, "is wrong", "30 minutes"),
        ("XX000", "MaxClientsInSessionMode: max clients reached - in Session mode max clients are limited to pool_size",
         TargetUnreachable, "no free connection", "growing pauses"),
        ("XX000", "(EMAXCONNSESSION) max clients reached in session mode", TargetUnreachable, "no free", "pauses"),
        ("XX000", "(EMAXCONN) Max client connections reached", TargetUnreachable, "no free connection", "pauses"),
        ("XX000", "(ECIRCUITBREAKER) too many authentication failures, new connections are temporarily blocked",
         TargetLogin, "lets postgres.abcdef in no more", "not tried again"),
        ("XX000", "(EAUTHQUERY) authentication query failed: connection closed", TargetUnreachable,
         "could not ask its database", "dashboard"),
        ("XX000", "(ECHECKOUTTIMEOUT) unable to check out connection from the pool after 60000ms in Session mode",
         TargetUnreachable, "no free connection", "growing pauses"),
        ("XX000", "The database credentials are invalid", TargetLogin, "is wrong", "not tried again"),
        ("53300", "remaining connection slots are reserved for roles with the SUPERUSER attribute", TargetUnreachable,
         "no free connection", "pg_stat_activity"),
        ("08P01", "no more connections allowed (max_client_conn)", TargetUnreachable, "no free connection", "pauses"),
        ("57P03", "the database system is starting up", TargetUnreachable, "broke", "tried again"),
        ("57P03", "the database system is shutting down", TargetUnreachable, "broke", "tried again"),
        ("XX000", "(EDBHANDLEREXITED) connection to database closed", TargetUnreachable, "broke", "paused"),
    ],
)  # fmt: skip
def test_a_refused_login_is_told_in_our_words(
    code: str, text: str, kind: type[SidemirrorError], what: str, hint: str
) -> None:
    error = met(_refusal(code, text))
    assert type(error) is kind
    assert what in error.what
    assert hint in error.hint


@pytest.mark.parametrize(
    ("refusal", "what"),
    [
        (
            _refusal("XX000", "(EDBHANDLEREXITED) connection to database closed. Check logs for more information"),
            "broke",
        ),
        (_refusal("57P01", "terminating connection due to administrator command"), "broke"),
        (b"", "broke"),
    ],
)
def test_a_session_that_ends_may_be_tried_again(refusal: bytes, what: str) -> None:
    error = met(WELCOME, refusal)
    assert type(error) is TargetUnreachable
    assert what in error.what
    assert error.hint


def test_an_address_without_a_way_to_it_names_the_session_pooler(source: Source) -> None:
    fill(source)
    # An IPv6 address, which is all that Supabase's direct host has, from a container that has IPv4 only.
    result = backup(source, "once", SUPABASE_DB_HOST="2001:db8::1")
    assert result.returncode == 4
    assert "there is no way from here to 2001:db8::1" in result.stderr
    assert "use the Session pooler's host and user" in result.stderr


def test_a_database_that_became_read_only_says_how_large_it_is_and_what_to_do(source: Source) -> None:
    fill(source)
    assert backup(source, "once").returncode == 0
    name = source.target.name
    source.target.query(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    home = Target("postgres", source.target.environ)
    home.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
    source.write("DELETE FROM t WHERE id = 1")
    try:
        result = backup(source, "once")
    finally:
        home.query(f"ALTER DATABASE {name} RESET default_transaction_read_only")
        home.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", name)
    assert result.returncode == 5, result.stdout + result.stderr
    assert "is read-only: the database is over its size limit (it holds " in result.stderr
    assert "shorten RETENTION" in result.stderr
