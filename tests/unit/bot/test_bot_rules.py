"""The bot's rules, as plain decisions."""

from __future__ import annotations

import pytest
from bot.rules import (
    DAY,
    RefundAnswer,
    is_premium,
    may_delete,
    minute_of,
    once_a_minute,
    premium_until,
    refund_answer,
)

NOW = 1_800_000_000


def test_a_minute_is_sixty_seconds_from_a_full_minute_on():
    assert [minute_of(each) for each in (0, 59, 60, 119, 120)] == [0, 0, 1, 1, 2]


def test_the_first_time_is_always_allowed():
    assert once_a_minute(None, 7)


def test_the_same_minute_is_too_soon_and_the_next_is_not():
    assert not once_a_minute(7, 7)
    assert once_a_minute(7, 8)


def test_a_clock_that_was_set_back_locks_nobody_out():
    assert once_a_minute(1_000, 7)


def test_premium_lasts_thirty_days_from_the_first_payment():
    assert premium_until(None, NOW) == NOW + 30 * DAY


def test_paying_early_keeps_the_days_that_are_left():
    assert premium_until(NOW + 5 * DAY, NOW) == NOW + 35 * DAY


def test_paying_late_gives_no_days_for_the_gap():
    assert premium_until(NOW - 5 * DAY, NOW) == NOW + 30 * DAY


@pytest.mark.parametrize(
    ("active", "end", "expected"),
    [
        (True, NOW + 1, True),
        (True, NOW, False),
        (True, None, True),
        (False, NOW + 1, False),
        (False, None, False),
    ],
)
def test_premium_counts_while_active_and_before_its_end(active, end, expected):
    assert is_premium(active, end, NOW) is expected


def test_a_refund_needs_premium_and_a_group_that_never_had_one():
    assert refund_answer(True, False) is RefundAnswer.GRANTED
    assert refund_answer(False, False) is RefundAnswer.NO_SUBSCRIPTION
    assert refund_answer(True, True) is RefundAnswer.ONCE_PER_GROUP
    assert refund_answer(False, True) is RefundAnswer.ONCE_PER_GROUP


def test_only_the_owner_may_delete_and_nobody_where_no_owner_is_known():
    assert may_delete(5, 5)
    assert not may_delete(5, 6)
    assert not may_delete(None, 5)
