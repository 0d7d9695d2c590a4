"""A backup of the target was put back: mirrored again, and which points are gone is told, once."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

from commanding import backup
from fix_source import Source
from fix_target import Target, read_password
from fix_writer import until
from restoring import fill
from test_alerts import Receiver, receiver, watching

from backup import events
from backup.events import Event

__all__ = ["receiver"]


def postgres(source: Source, *command: str) -> None:
    """A program of Postgres beside the server; not through a transaction pooler, which is nothing for it."""
    environ = source.target.environ
    port = "5432" if environ["SUPABASE_DB_PORT"] == "6543" else environ["SUPABASE_DB_PORT"]
    variables = {
        "PGHOST": environ["SUPABASE_DB_HOST"],
        "PGPORT": port,
        "PGUSER": environ.get("SUPABASE_DB_USER", "postgres"),
        "PGPASSWORD": read_password(environ),
        "PGSSLMODE": environ.get("SUPABASE_DB_SSLMODE", "verify-full"),
        "PGSSLROOTCERT": environ["SUPABASE_DB_SSLROOTCERT"],
    }
    subprocess.run(command, env=dict(os.environ) | variables, check=True, capture_output=True)


@contextmanager
def put_back(source: Source, dump: Path) -> Iterator[None]:
    """The dump in a database of its own, to which the source's settings lead from now on."""
    name = f"sm_test_{uuid4().hex[:12]}"
    source.target.connect(dbname="postgres").cursor().execute(f"CREATE DATABASE {name}")
    try:
        postgres(source, "pg_restore", f"--dbname={name}", "--no-owner", str(dump))
        source.environ["SUPABASE_DB_NAME"] = name
        yield
    finally:
        source.target.connect(dbname="postgres").cursor().execute(f"DROP DATABASE {name} WITH (FORCE)")


def went_back(source: Source) -> list[Event]:
    return [event for event in events.read(source.state) if event.kind == "TargetWentBack"]


def test_a_backup_of_the_target_that_was_put_back_is_told_with_what_is_gone(
    source: Source, receiver: Receiver, tmp_path: Path
) -> None:
    fill(source)
    source.run()
    source.write("INSERT INTO k VALUES ('kept', 1, 1)")
    source.run()
    dump = tmp_path / "dump"
    postgres(source, "pg_dump", "--format=custom", f"--file={dump}", source.target.name)
    for number in range(3):
        source.write(f"INSERT INTO k VALUES ('gone', {number}, 1); CREATE TABLE new_{number} (a)")
        source.run()
    with put_back(source, dump), watching(source, ALERT_URLS=receiver.url):
        result = backup(source, "once")
        assert result.returncode == 0, result.stderr
        [event] = went_back(source)
        assert "it is at run 2, and run 5 was mirrored" in event.what
        assert "restore points 3 of 2" in event.what
        assert " to 5 of 2" in event.what
        assert event.what in result.stdout + result.stderr
        elsewhere = Target(source.environ["SUPABASE_DB_NAME"], source.environ)
        source.target = elsewhere
        source.point()
        source.write("DELETE FROM k WHERE y = 2")
        source.point("full")
        source.verify()
        until(lambda: len(receiver.messages) > 0, 120)
        assert len(went_back(source)) == 1
        assert receiver.titles == [f"Sidemirror, {source.name}: the target went back in time"]
        assert backup(source, "status").returncode == 0


def test_a_target_that_has_nothing_of_the_source_any_more_is_told_too(source: Source) -> None:
    fill(source)
    source.run()
    source.write("INSERT INTO k VALUES ('gone', 1, 1)")
    source.run()
    source.forget()
    source.point()
    [event] = went_back(source)
    assert f"it has nothing of the source {source.name}, and run 2 was mirrored" in event.what
    source.write("INSERT INTO k VALUES ('next', 1, 1)")
    source.point()
    source.verify()
    assert len(went_back(source)) == 1
