"""Trouble is told once when it starts and once when it is over, and does not last for ever."""

from __future__ import annotations

import pytest
from bot.errors import StuckError
from bot.trouble import Troubles

FULL = OSError("disk full")


def test_trouble_is_told_once_and_its_end_once(caplog):
    caplog.set_level("INFO", "bot")
    troubles = Troubles()
    for now in (10, 11, 12):
        troubles.failed("saving", FULL, now)
    assert troubles.any()
    for now in (17, 18):
        troubles.worked("saving", now)
    assert not troubles.any()
    assert troubles.failures == 3
    assert [record.message for record in caplog.records] == [
        "saving failed: disk full. The bot keeps trying",
        "saving works again, after 2 s of trouble",
    ]


def test_a_success_now_and_then_does_not_end_trouble(caplog):
    troubles = Troubles()
    for now in range(0, 40, 4):
        troubles.failed("saving", FULL, now)
        troubles.worked("saving", now + 3)
        assert troubles.any()
    assert len(caplog.records) == 1


def test_one_kind_that_works_says_nothing_about_another():
    troubles = Troubles()
    troubles.failed("saving", FULL, 0)
    troubles.worked("acting", 100)
    assert troubles.any()


def test_trouble_that_lasts_five_minutes_ends_the_bot():
    troubles = Troubles()
    for now in range(0, 301, 5):
        troubles.failed("saving", FULL, now)
    with pytest.raises(StuckError, match="saving has failed for 300 s, lately with: disk full"):
        troubles.failed("saving", FULL, 301)


def test_trouble_that_a_fresh_start_cannot_help_lasts_as_long_as_it_does():
    troubles = Troubles()
    for now in range(0, 3000, 5):
        troubles.failed("reaching Telegram", FULL, now, may_last=True)
    assert troubles.any()
    troubles.over("reaching Telegram")
    assert not troubles.any()
