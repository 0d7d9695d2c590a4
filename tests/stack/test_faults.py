"""Faults on the running containers: the bot never notices, the sidecar comes back by itself, nothing is doubled."""

from __future__ import annotations

import json
from typing import Any

import pytest
from fix_stack import NewStack
from stack import TAG, Stack, poll, run
from test_gate import count

KILLS_THE_SCHEDULER = """
while :; do
    for process in /proc/[0-9]*; do
        if tr '\\0' ' ' 2>/dev/null <$process/cmdline | grep -q 'backup [s]chedule'; then kill -9 ${process#/proc/}; fi
    done
    sleep 0.1
done
"""
SUPERVISORCTL = ("supervisorctl", "-c", "/app/backup/supervisord.conf")


@pytest.fixture(scope="module")
def faulty(new_stack: NewStack) -> Stack:
    stack = new_stack("faults", BACKUP_EVERY="2s")
    stack.script("up")
    poll("the bot writes", lambda: count(stack) > 50)
    return stack


def status(stack: Stack) -> dict[str, Any]:
    """What `./sidemirror status --json` says, and as `code` how it ended."""
    told = stack.script("status", "--json", check=False)
    assert told.returncode in (0, 1), told.stderr
    return {**json.loads(told.stdout), "code": told.returncode}


def last_run(stack: Stack) -> int:
    return int(stack.sql("SELECT max(last_run) FROM sidemirror.sources")[0][0])


def scheduler_pid(stack: Stack) -> int:
    """0 while it does not run."""
    told = stack.compose("exec", "-T", "backup", *SUPERVISORCTL, "pid", "sidecar:scheduler", check=False).stdout.strip()
    return int(told) if told.isdigit() else 0


def assert_nothing_is_doubled(stack: Stack) -> None:
    """With the bot at rest, each table has the same rows here and there, and each before-image is there once."""
    stack.script("stop", "bot")
    stack.backup()
    for file in status(stack)["files"]:
        assert file["here"] == file["mirror"], file
    doubled = stack.sql(
        "SELECT count(*) FROM (SELECT FROM sidemirror.history GROUP BY table_id, run, key HAVING count(*) > 1) x"
    )
    assert doubled == [["0"]]
    stack.script("start", "bot")


def test_postgres_stopped_while_the_bot_writes_is_told_and_caught_up_with(faulty: Stack) -> None:
    before = last_run(faulty)
    faulty.compose("stop", "--timeout", "10", "postgres")
    rows = count(faulty)
    poll("the bot goes on writing", lambda: count(faulty) > rows + 60)
    assert faulty.health("bot") == "healthy"
    found = poll("the sidecar knows", lambda: (s := status(faulty))["outcome"]["troubles"] and s)
    assert (found["code"], found["safe"], found["target_bytes"]) == (1, False, None)
    plain = faulty.script("status", check=False).stdout
    assert plain.startswith("NOT SAFE: everything up to ")
    assert f"something is wrong since {found['outcome']['troubles'][0]['since']}" in plain
    assert "The next try is in " in faulty.compose("logs", "--no-color", "backup").stdout
    assert faulty.inspect("backup")["RestartCount"] == 0

    faulty.script("start", "postgres")
    poll("it catches up by itself", lambda: last_run(faulty) > before)
    poll("status is content", lambda: status(faulty)["safe"])
    assert_nothing_is_doubled(faulty)


def test_a_killed_scheduler_is_started_again_by_supervisor(faulty: Stack) -> None:
    before, container = scheduler_pid(faulty), faulty.inspect("backup")["State"]["Pid"]
    assert before > 1
    faulty.compose("exec", "-T", "backup", "sh", "-c", f"kill -9 {before}")
    poll("another one runs", lambda: scheduler_pid(faulty) not in (0, before))
    reached = last_run(faulty)
    poll("it makes runs", lambda: last_run(faulty) > reached)
    assert faulty.inspect("backup")["State"]["Pid"] == container


def test_a_sidecar_killed_under_writes_comes_back_healthy_and_nothing_is_doubled(faulty: Stack) -> None:
    for _ in range(3):
        found = poll("it runs", lambda: (s := faulty.inspect("backup"))["State"]["Running"] and s)
        pid, restarts = found["State"]["Pid"], found["RestartCount"]
        # As the kernel does when memory is short; to `docker kill` the engine would not apply the restart policy.
        killer = ["docker", "run", "--rm", "--pid=host", "--network=none", "--user=0:0", "--entrypoint", "sh"]
        run([*killer, f"sidemirror/bot:{TAG}", "-c", f"kill -9 {pid}"])
        poll("the engine starts it again", lambda: faulty.inspect("backup")["RestartCount"] > restarts)  # noqa: B023
    reached = last_run(faulty)
    poll("it makes runs", lambda: last_run(faulty) > reached)
    poll("it is healthy", lambda: faulty.health("backup") == "healthy")
    assert_nothing_is_doubled(faulty)


def test_a_scheduler_that_cannot_be_kept_running_ends_the_container_which_starts_again(faulty: Stack) -> None:
    restarts = faulty.inspect("backup")["RestartCount"]
    # In the container, and for as long as it is there: from here it could take so long that it is called running.
    faulty.compose("exec", "-T", "backup", "sh", "-c", KILLS_THE_SCHEDULER, check=False)
    poll("the container was started again", lambda: faulty.inspect("backup")["RestartCount"] > restarts)
    assert (
        "scheduler could not be kept running; the sidecar ends" in faulty.compose("logs", "--no-color", "backup").stdout
    )
    reached = last_run(faulty)
    poll("it makes runs again", lambda: last_run(faulty) > reached)
