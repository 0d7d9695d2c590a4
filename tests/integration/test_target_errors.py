"""What a person is told when the target says no: the server's real refusals, in our words, without a secret."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path

import psycopg2
import pytest
from fix_source import Source
from fix_target import Target, read_password

from backup.config import BackupSettings
from mirror import settings
from mirror.errors import SidemirrorError, TargetFull, TargetRefused, TargetTaken, TargetUnreachable
from mirror.target import connected, explain

ANOTHER_CA = """\
-----BEGIN CERTIFICATE-----
MIIBmjCCAT+gAwIBAgIUdM+3NzL0m/MU4Ykm4fAz5MueQHAwCgYIKoZIzj0EAwIw
ITEfMB0GA1UEAwwWTm90IHRoZSBDQSBvZiBhbnl0aGluZzAgFw0yNjExMjIwMjA3
MzZaGA8yMTI2MTAyOTAyMDczNlowITEfMB0GA1UEAwwWTm90IHRoZSBDQSBvZiBh
bnl0aGluZzBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABJZvFSvllgFL6nyQJYf9
+CQfs6aMcgITLxOh1djTcKAQ48OSwgoEMkcaEXirsZ3FW9v4pzYkf7RvigP6JXY0
MOujUzBRMB0GA1UdDgQWBBRLG5IN2/xCm/hKZkm9TZBWZeWHFTAfBgNVHSMEGDAW
gBRLG5IN2/xCm/hKZkm9TZBWZeWHFTAPBgNVHRMBAf8EBTADAQH/MAoGCCqGSM49
BAMCA0kAMEYCIQCjDAdFfdsiXlXypfm4m2J2Ia7l8PzeeQ0bpg6MTLT8hgIhAMm7
oqTr2o7sC2KUMhMJ+NjxUDnmMYjQ62LmURPjnWwq
-----END CERTIFICATE-----
"""

SECRET = "s3cret/with@odd%characters"


def attempt(environ: dict[str, str], statement: str = "SELECT 1") -> SidemirrorError:
    """What a connection with these variables comes to; it must fail, and its words must hold no password."""
    loaded = settings.load(BackupSettings, environ)
    with pytest.raises(SidemirrorError) as caught, connected(loaded) as connection, connection.cursor() as cursor:
        cursor.execute(statement)
    shown = f"{caught.value} {caught.value!r} {loaded!r}"
    for password in (SECRET, loaded.supabase_db_password.get_secret_value()):
        assert password not in shown
    assert caught.value.__cause__ is None
    assert caught.value.hint
    return caught.value


def changed(target: Target, **variables: str) -> dict[str, str]:
    return {**target.environ, **{f"SUPABASE_DB_{name}": value for name, value in variables.items()}}


def with_password(target: Target, password: str) -> dict[str, str]:
    environ = changed(target, PASSWORD=password)
    del environ["SUPABASE_DB_PASSWORD_FILE"]
    return environ


def test_a_wrong_password_is_refused_for_good(target: Target) -> None:
    error = attempt(with_password(target, SECRET))
    assert isinstance(error, TargetRefused)
    assert "password" in error.what
    assert "SUPABASE_DB_PASSWORD" in error.hint


def test_no_password_at_all_is_refused_for_good(target: Target) -> None:
    environ = changed(target)
    del environ["SUPABASE_DB_PASSWORD_FILE"]
    error = attempt_without_secret(environ)
    assert isinstance(error, TargetRefused)
    assert "password" in error.what


def attempt_without_secret(environ: dict[str, str]) -> SidemirrorError:
    with pytest.raises(SidemirrorError) as caught, connected(settings.load(BackupSettings, environ)):
        pass
    return caught.value


def test_an_unknown_user_is_refused_for_good(target: Target) -> None:
    error = attempt(changed(target, USER="nobody_here"))
    assert isinstance(error, TargetRefused)
    assert "nobody_here" in error.what


def test_an_unknown_database_is_refused_for_good(target: Target) -> None:
    error = attempt(changed(target, NAME="no_such_database"))
    assert isinstance(error, TargetRefused)
    assert "no_such_database" in error.what


def test_another_ca_is_refused_for_good(target: Target, tmp_path: Path) -> None:
    ca = tmp_path / "other.crt"
    ca.write_text(ANOTHER_CA)
    error = attempt(changed(target, SSLROOTCERT=str(ca)))
    assert isinstance(error, TargetRefused)
    assert str(ca) in error.what


def test_a_ca_file_that_is_no_certificate_is_refused_for_good(target: Target, tmp_path: Path) -> None:
    ca = tmp_path / "empty.crt"
    ca.write_text("no certificate")
    error = attempt(changed(target, SSLROOTCERT=str(ca)))
    assert isinstance(error, TargetRefused)


def test_a_certificate_for_another_name_is_refused_for_good(target: Target) -> None:
    address = socket.gethostbyname(target.environ["SUPABASE_DB_HOST"])
    error = attempt(changed(target, HOST=address))
    assert isinstance(error, TargetRefused)
    assert "name" in error.what


def test_a_closed_port_is_unreachable(target: Target) -> None:
    error = attempt(changed(target, HOST="127.0.0.1", PORT="1"))
    assert isinstance(error, TargetUnreachable)
    assert "127.0.0.1:1" in error.what


def test_a_host_that_does_not_exist_is_unreachable(target: Target) -> None:
    error = attempt(changed(target, HOST="nowhere.invalid"))
    assert isinstance(error, TargetUnreachable)
    assert "nowhere.invalid" in error.what


def test_a_host_that_never_answers_is_unreachable(target: Target, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.target.CONNECT_SECONDS", 2)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        error = attempt(changed(target, HOST="127.0.0.1", PORT=str(silent.getsockname()[1])))
    assert isinstance(error, TargetUnreachable)


def test_a_statement_timeout_may_be_tried_again(target: Target) -> None:
    error = attempt(target.environ, "BEGIN; SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(5)")
    assert isinstance(error, TargetUnreachable)
    assert "longer than its limit" in error.what


def test_a_read_only_target_is_full(target: Target) -> None:
    error = attempt(target.environ, "BEGIN READ ONLY; CREATE TABLE public.x (a int)")
    assert isinstance(error, TargetFull)
    assert "read-only" in error.what


def test_missing_rights_are_told(target: Target) -> None:
    error = attempt(target.environ, "BEGIN; SET LOCAL ROLE anon; CREATE SCHEMA x")
    assert isinstance(error, TargetRefused)


def test_a_database_without_a_free_connection_may_be_tried_again(target: Target) -> None:
    home, full = Target("postgres", target.environ), f"{target.name}_full"
    home.query(f"CREATE DATABASE {full} CONNECTION LIMIT 0")
    try:
        error = attempt(changed(target, NAME=full))
    finally:
        home.query(f"DROP DATABASE {full}")
    assert isinstance(error, TargetUnreachable)
    assert "no free connection" in error.what
    assert "pg_stat_activity" in error.hint


def test_a_connection_that_is_cut_may_be_tried_again(target: Target) -> None:
    error = attempt(target.environ, "SELECT pg_terminate_backend(pg_backend_pid())")
    assert isinstance(error, TargetUnreachable)


@pytest.mark.parametrize(
    ("words", "kind", "expected"),
    [
        ("FATAL: Tenant or user not found", TargetRefused, "does not know the user"),
        ("FATAL: MaxClientsInSessionMode: max clients reached", TargetUnreachable, "no free connection"),
        ("FATAL: remaining connection slots are reserved for roles", TargetUnreachable, "no free connection"),
        ("connection failed: Network is unreachable", TargetUnreachable, "there is no way"),
        ("SSL SYSCALL error: EOF detected", TargetUnreachable, "broke"),
        ("server closed the connection unexpectedly", TargetUnreachable, "broke"),
        (
            "terminating connection due to administrator command\nSSL connection has been closed unexpectedly",
            TargetUnreachable,
            "somebody there did it",
        ),
    ],
)
def test_what_only_supabase_says_is_told_in_our_words(
    words: str, kind: type[SidemirrorError], expected: str, target: Target
) -> None:
    loaded = settings.load(BackupSettings, target.environ)
    error = explain(psycopg2.OperationalError(f"{words}: {SECRET}\n"), loaded)
    assert isinstance(error, kind)
    assert expected in error.what
    assert SECRET not in str(error)


def test_a_second_installation_is_refused(source: Source, tmp_path: Path) -> None:
    source.write("CREATE TABLE t (a)")
    source.run()
    (source.state / "installation").unlink()
    with pytest.raises(TargetTaken, match=source.name) as caught:
        source.run()
    assert "take-over" in caught.value.hint


def test_a_view_of_ones_own_over_a_table_that_changes_is_named(source: Source) -> None:
    source.write("CREATE TABLE t (a); CREATE TABLE u (b)")
    source.run()
    [database] = source.read_state().databases
    source.target.query(f"CREATE SCHEMA mine; CREATE VIEW mine.v AS SELECT a FROM {database.schema_name}.t")
    source.write("DROP TABLE t")
    with pytest.raises(TargetRefused, match=r"view mine\.v depends on table") as caught:
        source.run()
    assert "drop it" in caught.value.hint
    source.target.query("DROP SCHEMA mine CASCADE")
    source.point()
    source.verify()


def test_the_password_is_in_no_argument_of_a_process(source: Source) -> None:
    source.write("CREATE TABLE t (a)")
    password = read_password(source.target.environ)
    done = subprocess.run(source.command("once"), env=source.process_environ, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert password not in done.stdout + done.stderr
    for path in source.state.rglob("*"):
        if path.is_file():
            assert password.encode() not in path.read_bytes(), path
