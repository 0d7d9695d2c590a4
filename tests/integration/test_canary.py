"""The canary proves that the target takes writes although nothing changed; freshness goes forward by comparison alone."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from commanding import backup, status
from fix_source import Source
from restoring import fill

from backup.apply import RunIdentity
from backup.canary import sing
from backup.state import installation
from mirror.errors import TargetFull, TargetTaken
from mirror.target import connected


def canary(source: Source) -> object:
    return source.target.query("SELECT canary_at FROM sidemirror.sources WHERE name = %s", source.name)[0][0]


def test_a_full_run_that_changes_nothing_writes_to_the_target_all_the_same(source: Source) -> None:
    fill(source)
    assert source.run().written
    assert canary(source) is None, "a run that mirrors something is proof enough"
    assert not source.run().written
    assert source.run("full").written
    first = canary(source)
    assert first is not None
    assert source.run("full").run == 1, "it is no restore point"
    assert canary(source) != first
    assert backup(source, "once", "--full").returncode == 0
    found = status(source)["outcome"]
    assert found["written_at"] == found["equal_at"]


def test_a_target_that_turned_read_only_is_found_by_a_run_that_has_nothing_to_mirror(source: Source) -> None:
    fill(source)
    assert backup(source, "once", "--full").returncode == 0
    written = status(source)["outcome"]["written_at"]
    source.target.query(f"ALTER DATABASE {source.target.name} SET default_transaction_read_only = on")
    # The pooler's connections are older than the setting.
    source.target.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s AND pid <> pg_backend_pid()",
        source.target.name,
    )
    source.environ["SUPABASE_DB_PORT"] = "5432"
    try:
        with pytest.raises(TargetFull):
            source.run("full")
        result = backup(source, "once", "--full")
        assert result.returncode == 5
        assert "is read-only: the database is over its size limit" in result.stderr
        found = status(source)
        assert not found["safe"]
        assert found["outcome"]["written_at"] == written
    finally:
        source.target.query(
            "SET default_transaction_read_only = off; "
            f"ALTER DATABASE {source.target.name} RESET default_transaction_read_only"
        )


def test_a_refused_file_holds_the_freshness_back_and_nothing_but_a_whole_run_moves_it(source: Source) -> None:
    fill(source)
    fill(source, file="other.db")
    assert backup(source, "once").returncode == 0
    at = datetime.fromisoformat(status(source)["outcome"]["equal_at"])
    (source.sqlite / "other.db").write_bytes(b"SQLite format 3\0" + b"x" * 4080)
    source.write("DELETE FROM t WHERE id = 1")
    for command in (("once",), ("once", "--full"), ("drill",), ("check",), ("status",)):
        backup(source, *command)
        found = status(source)
        assert datetime.fromisoformat(found["outcome"]["equal_at"]) == at, command
        assert not found["safe"]
    assert source.read_state().last_run == 2, "the other file was mirrored"


def test_a_take_over_after_the_state_was_read_is_refused_by_the_target_itself(source: Source) -> None:
    fill(source)
    source.run()
    state = source.read_state()
    source.target.query(
        "UPDATE sidemirror.sources SET holder = %s, holder_host = 'elsewhere', held_since = now() WHERE name = %s",
        str(uuid4()),
        source.name,
    )
    identity = RunIdentity(source.name, installation(source.state), uuid4(), "full", datetime.now(UTC))
    with pytest.raises(TargetTaken) as refused, connected(source.settings) as connection:
        sing(connection, state, identity)
    assert " on elsewhere, since " in refused.value.what
    assert canary(source) is None
