"""What keeps the sidecar from working is told by `up` at once, and the bot starts all the same."""

from __future__ import annotations

import time
import uuid

import pytest
from fix_stack import NewStack
from stack import ROOT, Result, Stack, poll

AT_ONCE = 110
"""Seconds. The sidecar's health would tell after two minutes at the earliest."""


@pytest.fixture(scope="module")
def started(new_stack: NewStack) -> Stack:
    """A stack whose images and stand-in are there; the tests change its settings in turn."""
    stack = new_stack("up")
    stack.compose("up", "--detach", "--wait", "postgres")
    return stack


def up(stack: Stack, **settings: str) -> tuple[Result, float]:
    began = time.monotonic()
    changed = Stack(stack.project, stack.volumes, **settings)
    return changed.script("up", check=False), time.monotonic() - began


def running(stack: Stack) -> set[str]:
    return set(stack.compose("ps", "--services", "--status", "running").stdout.split())


def test_1_a_wrong_setting_is_named_at_once(started: Stack) -> None:
    result, seconds = up(started, BACKUP_EVERY="soon", GUARD_SHRINK="half")
    assert result.returncode == 2
    assert "BACKUP_EVERY" in result.stderr
    assert "GUARD_SHRINK" in result.stderr
    assert "The bot is started. The sidecar was not started." in result.stderr
    assert running(started) >= {"bot", "postgres"}
    poll("the bot has written", lambda: started.as_root("ls", "/volumes/json").stdout)
    assert seconds < AT_ONCE


def test_2_a_target_that_cannot_be_reached_is_told_at_once_and_tried_again(started: Stack) -> None:
    result, seconds = up(started, SUPABASE_DB_PORT="9")
    assert result.returncode == 4
    assert "WRONG connection: postgres:9 refuses the connection" in result.stderr
    assert "The sidecar keeps trying." in result.stderr
    assert running(started) >= {"bot", "backup"}
    assert seconds < AT_ONCE


def test_3_the_right_setting_brings_it_up_also_with_a_bot_whose_health_check_is_off(started: Stack) -> None:
    result, _ = up(started, COMPOSE_FILE=f"docker-compose.yml:{ROOT}/tests/stack/no_health_check.yml")
    assert result.returncode == 0, result.stderr
    assert "Sidemirror is up." in result.stdout


def test_4_a_mirror_that_another_installation_writes_is_told_at_once_with_the_way_out(started: Stack) -> None:
    started.compose("stop", "backup")
    started.as_root("sh", "-c", f"echo {uuid.uuid4()} > /volumes/state/installation")
    result, seconds = up(started)
    assert result.returncode == 14
    assert "written by another installation" in result.stderr
    assert "./sidemirror take-over" in result.stderr
    assert seconds < AT_ONCE
    started.script("take-over", "--yes")
    started.backup()
