"""Postgres goes away, refuses, is full or slow: each time it is told, and afterwards nothing is missing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

import breaking
import pytest
from ground import Ground
from stack import poll

Fault = Callable[[Ground], AbstractContextManager[None]]


def last_run(ground: Ground) -> int:
    return int(ground.stack.sql("SELECT max(run) FROM sidemirror.runs")[0][0])


@pytest.mark.parametrize(
    ("fault", "kinds", "words", "code"),
    [
        (breaking.postgres_killed, ["TargetUnreachable"], "postgres", 4),
        (breaking.network_cut, ["TargetUnreachable"], "postgres", 4),
        (breaking.read_only, ["TargetFull"], "read-only: the database is over its size limit", 5),
        pytest.param(breaking.postgres_stopped, ["TargetUnreachable"], "postgres", 4, marks=pytest.mark.nightly),
        pytest.param(
            breaking.pool_exhausted, ["TargetUnreachable"], "has no free connection", 4, marks=pytest.mark.nightly
        ),
        pytest.param(
            breaking.short_statements,
            ["TargetUnreachable"],
            "ended the statement: it took longer than its limit",
            4,
            marks=pytest.mark.nightly,
        ),
        pytest.param(
            breaking.another_certificate,
            ["TargetRefused"],
            "is not signed by the CA in /ca/local.crt",
            5,
            marks=pytest.mark.nightly,
        ),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_target_that_fails_is_told_and_caught_up_with(
    fault: Fault, kinds: list[str], words: str, code: int, ground: Ground
) -> None:
    before = last_run(ground)
    with fault(ground):
        trouble = ground.trouble(*kinds)
        assert words in trouble["what"]
        ground.alerted(words)
        assert ground.backup().returncode == code
        poll("the bot goes on", lambda: ground.stack.health("bot") == "healthy")
    ground.well()
    ground.alerted("all is well again")
    assert last_run(ground) > before
    ground.equal()


def test_a_restart_in_mid_transaction_keeps_nothing_of_it_and_loses_nothing(ground: Ground) -> None:
    with breaking.catalog_locked(ground):
        waiting = "SELECT pid FROM pg_locks WHERE NOT granted"
        poll("a run waits inside its transaction", lambda: ground.stack.sql(waiting))
        ground.stack.compose("restart", "--timeout", "10", "postgres")
        poll("it is there again", lambda: ground.stack.health("postgres") == "healthy")
    ground.well()
    ground.equal()


def test_over_a_slow_wire_that_loses_packets_runs_come_through(ground: Ground) -> None:
    before = last_run(ground)
    with breaking.slow_network(ground):
        began = time.monotonic()
        poll("two runs over it", lambda: last_run(ground) > before + 1)
        assert time.monotonic() - began > 1
    ground.well()
    ground.equal()


def test_a_password_that_was_changed_is_tried_once_and_told_and_the_new_one_is_taken_at_once(ground: Ground) -> None:
    stack = ground.stack
    secret = "/volumes/secrets/backup/target_password"
    old = stack.as_root("cat", secret).stdout
    stack.sql("ALTER ROLE postgres PASSWORD 'another-one-Zq9'")
    stack.sql(breaking.TERMINATE)
    try:
        trouble = ground.trouble("TargetLogin")
        assert "the password for postgres at postgres is wrong" in trouble["what"]
        ground.alerted("Nothing is tried any more")
        tried = ground.known()["tried_at"]
        threading.Event().wait(5)
        assert ground.known()["tried_at"] == tried, "the password is tried once"
        stack.as_root("sh", "-c", f"printf another-one-Zq9 > {secret}")
        ground.well()
        ground.alerted("all is well again")
        assert "another-one-Zq9" not in stack.logs() + str(ground.alerts())
    finally:
        stack.as_root("sh", "-c", f"printf '%s' '{old.strip()}' > {secret}")
        stack.sql(f"ALTER ROLE postgres PASSWORD '{old.strip()}'")
        stack.sql(breaking.TERMINATE)
    ground.well()
    ground.equal()
