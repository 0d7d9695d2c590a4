"""The sidecar and the bot are killed, the disk is full: it comes back by itself, and nothing is missing or doubled."""

from __future__ import annotations

import random
import threading

import breaking
from fix_nightly import NIGHTLY
from ground import Ground
from stack import poll


def test_a_scheduler_that_is_killed_again_and_again_under_writes_loses_and_doubles_nothing(ground: Ground) -> None:
    moments = random.Random(7)
    for number in range(200 if NIGHTLY else 10):
        # As it starts, as it looks, as it sends: a run comes every three seconds, and one at the start.
        threading.Event().wait(moments.uniform(0, 2))
        poll("it is killed", lambda: breaking.kill_scheduler(ground))
        if number % 25 == 24:
            ground.well()
            ground.equal()
    ground.well()
    ground.equal()


def test_a_container_that_is_killed_comes_back_and_loses_nothing(ground: Ground) -> None:
    # Not more in a row: the engine waits longer before each start of a container that ends again and again.
    for _ in range(7 if NIGHTLY else 1):
        breaking.kill_container(ground)
    ground.well()
    ground.equal()


def test_a_bot_that_is_restarted_again_and_again_is_mirrored_all_the_same(ground: Ground) -> None:
    for number in range(50 if NIGHTLY else 3):
        ground.stack.compose("restart", "--timeout", "0" if number % 2 else "5", "bot")
    poll("it is healthy", lambda: ground.stack.health("bot") == "healthy")
    ground.well()
    ground.equal()


def test_a_full_state_folder_is_told_and_runs_go_on_when_there_is_room(ground: Ground) -> None:
    with breaking.full_state(ground):
        ground.alerted("the state folder has ")
        # Whatever is written first: a copy of a database, or a file of the sidecar's own.
        words = ("there is no room in the state folder", "into the state folder /state: No space left")
        poll("the log tells of it", lambda: any(word in ground.stack.logs() for word in words))
        told = ground.backup()
        assert told.returncode == 7, told.stdout + told.stderr
        assert "make room" in told.stderr
        poll("the bot goes on", lambda: ground.stack.health("bot") == "healthy")
    ground.well()
    ground.alerted("well again")
    ground.equal()
