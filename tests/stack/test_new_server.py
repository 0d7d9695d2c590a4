"""A start with nothing in the volumes: restored from the target before the bot starts, or fresh, or stopped; never guessed.

The steps build on each other and run in the order they stand in.
"""

from __future__ import annotations

import time
from datetime import datetime

import pytest
from fix_stack import NewStack
from stack import Stack, poll, run
from test_gate import content, count, table_rows

Rows = dict[tuple[str, str], set[str]]


@pytest.fixture(scope="module")
def server(new_stack: NewStack) -> Stack:
    """Nobody writes to its bot: what was restored stays as it came."""
    return new_stack("server", BOT_TRAFFIC="0")


@pytest.fixture(scope="module")
def elsewhere(server: Stack, new_stack: NewStack) -> Stack:
    """Another machine, which reaches the first one's Postgres as it would reach Supabase."""
    password = server.as_root("cat", "/volumes/secrets/postgres/target_password").stdout
    return new_stack(
        "elsewhere",
        SUPABASE_DB_HOST="db.example.org",
        SUPABASE_DB_PORT="6543",
        SUPABASE_DB_USER="postgres",
        SUPABASE_DB_PASSWORD=password,
        SUPABASE_DB_SSLMODE="verify-ca",
        BOT_TRAFFIC="0",
    )


@pytest.fixture(scope="module")
def mirrored() -> Rows:
    """What the bot's tables held when they were mirrored last; filled by the first step."""
    return {}


def changed(stack: Stack, **settings: str) -> Stack:
    """The same stack after a change in .env."""
    return Stack(
        stack.project,
        stack.volumes,
        **{name: value for name, value in stack.env.items() if name.startswith(("SUPABASE_", "BOT_", "SIDEMIRROR_TAG"))}
        | settings,
    )


def lose(stack: Stack, *folders: str) -> None:
    """What a dead disk does; the containers are gone with it."""
    stack.compose("down", "--timeout", "5")
    for folder in folders:
        stack.as_root("find", f"/volumes/{folder}", "-mindepth", "1", "-delete")


def said(stack: Stack) -> str:
    return stack.compose("logs", "--no-color", "--no-log-prefix", "restore-on-empty").stdout


def running(stack: Stack, service: str) -> bool:
    return bool(stack.container(service)) and bool(stack.inspect(service)["State"]["Running"])


def missing(before: Rows, stack: Stack) -> Rows:
    """Rows that were mirrored and are not there now."""
    after = table_rows(content(stack, "sqlite"))
    return {table: gone for table, rows in before.items() if (gone := rows - after.get(table, set()))}


def holder(stack: Stack) -> list[list[str]]:
    return stack.sql("SELECT holder FROM sidemirror.sources WHERE name = 'bot'")


def installation(stack: Stack) -> str:
    return stack.as_root("cat", "/volumes/state/installation").stdout.strip()


def files(stack: Stack) -> str:
    return stack.as_root("find", "/volumes/sqlite", "/volumes/json", "-name", "*.db", "-printf", "%p %i %U %m\n").stdout


def test_1_with_a_target_that_has_nothing_the_bot_starts_fresh(server: Stack, mirrored: Rows) -> None:
    busy = changed(server, BOT_TRAFFIC="20")
    shown = busy.script("up").stdout
    assert "The target has no backup of bot: the bot starts fresh" in shown
    assert server.inspect("restore-on-empty")["State"]["ExitCode"] == 0
    poll("the bot has written 60 rows", lambda: count(server) > 60)
    server.compose("stop", "bot", "telegram")
    server.backup()
    mirrored |= table_rows(content(server, "sqlite"))


def test_2_with_data_here_another_start_touches_nothing(server: Stack) -> None:
    before = files(server)
    server.compose("up", "--detach")
    assert "There is data here (/data/sqlite/premium_system.db): nothing is restored" in said(server)
    assert files(server) == before


def test_3_with_empty_volumes_docker_compose_up_restores_before_the_bot_starts(server: Stack, mirrored: Rows) -> None:
    before = files(server)
    lose(server, "sqlite", "json", "state")
    server.compose("up", "--detach", "--wait")
    assert "content equal to the target" in said(server)
    assert missing(mirrored, server) == {}
    assert [line.split()[2:] for line in sorted(files(server).splitlines())] == [
        line.split()[2:] for line in sorted(before.splitlines())
    ], "owners and modes are as they were"
    ended = datetime.fromisoformat(server.inspect("restore-on-empty")["State"]["FinishedAt"][:26])
    for service in ("bot", "backup"):
        assert ended <= datetime.fromisoformat(server.inspect(service)["State"]["StartedAt"][:26])
    # A new installation, and the one that may write the mirror from now on.
    assert holder(server) == [[installation(server)]]
    server.backup()


def test_4_a_target_that_is_down_never_stops_a_bot_that_has_data(server: Stack) -> None:
    server.compose("kill")
    away = changed(server, SUPABASE_DB_PORT="1")
    away.compose("up", "--detach")
    assert "There is data here" in said(away)
    assert running(away, "bot")


def test_5_with_empty_volumes_and_a_target_that_is_down_nothing_starts_and_up_says_what_to_do(server: Stack) -> None:
    lose(server, "sqlite", "json")
    away = changed(server, SUPABASE_DB_PORT="1", RESTORE_PATIENCE="3s")
    began = time.monotonic()
    stopped = away.script("up", check=False)
    assert stopped.returncode == 4, stopped.stdout + stopped.stderr
    assert time.monotonic() - began < 240
    assert "postgres:1 refuses the connection" in stopped.stderr
    assert "RESTORE_ON_EMPTY=off" in stopped.stderr
    assert stopped.stderr.rstrip().endswith("The reason is above.")
    assert "Error: The bot was not started" in stopped.stderr
    assert not running(away, "bot")
    assert not running(away, "backup")
    assert away.as_root("find", "/volumes/sqlite", "/volumes/json", "-type", "f").stdout.count(".db") == 0
    plain = away.compose("up", "--detach", check=False)
    assert (plain.returncode != 0, "restore-on-empty" in plain.stderr) == (True, True)


def test_6_once_the_target_is_back_the_same_command_restores(server: Stack, mirrored: Rows) -> None:
    shown = server.script("up").stdout
    assert "  Restored     run " in shown
    assert missing(mirrored, server) == {}


def test_7_another_machine_gets_everything_and_takes_over(server: Stack, elsewhere: Stack, mirrored: Rows) -> None:
    server.compose("stop", "--timeout", "5", "bot")
    server.backup()
    elsewhere.compose("create")
    network = f"{elsewhere.project}_internet"
    run(["docker", "network", "connect", "--alias", "db.example.org", network, server.container("postgres")])
    try:
        elsewhere.as_root("sh", "-c", "mkdir -p /volumes/ca")
        server.as_root("cp", "/volumes/ca/local.crt", "/there/ca/supabase.crt", there=elsewhere.volumes)
        shown = elsewhere.script("up").stdout
        assert "  Restored     run " in shown, shown + said(elsewhere)
        assert missing(mirrored, elsewhere) == {}
        assert holder(server) == [[installation(elsewhere)]]
        elsewhere.backup()
        refused = server.script("backup", check=False)
        assert refused.returncode == 14
    finally:
        run(["docker", "network", "disconnect", network, server.container("postgres")], check=False)


def test_8_there_too_a_target_that_is_away_stops_an_empty_bot_and_no_other(elsewhere: Stack) -> None:
    elsewhere.compose("kill")
    elsewhere.compose("up", "--detach")
    assert running(elsewhere, "bot")
    lose(elsewhere, "sqlite", "json")
    began = time.monotonic()
    stopped = elsewhere.script("up", check=False)
    assert stopped.returncode == 4, stopped.stdout + stopped.stderr
    assert time.monotonic() - began < 240
    assert "db.example.org" in stopped.stderr
    assert "check SUPABASE_DB_HOST and this machine's network" in stopped.stderr
    assert not running(elsewhere, "bot")


def test_9_with_the_stand_in_lost_as_well_the_bot_starts_fresh(server: Stack) -> None:
    lose(server, "sqlite", "json", "state", "postgres")
    server.compose("up", "--detach")
    assert "starts fresh" in said(server)
    poll("the bot is healthy", lambda: server.health("bot") == "healthy")
