"""The bot's rules as plain decisions: no SQL, no clock. All times are seconds since 1970, UTC."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR

PREMIUM_LASTS = 30 * DAY
PREMIUM_STARS = 250
GIFTS_A_MINUTE = 20
"""Different gifts that one person may ask for in one chat."""
PAYMENT_STAYS_OPEN = 15 * MINUTE


@dataclass(frozen=True)
class Keep:
    """For how many seconds each kind of row is kept; clean-up deletes what is older."""

    gift_requests: int = HOUR  # the once-a-minute rule looks back one minute
    commands: int = DAY
    messages: int = 2 * DAY  # Telegram lets a bot delete its messages for 48 hours


class RefundAnswer(StrEnum):
    """What a person is told who asks for a refund."""

    GRANTED = "granted"
    NO_SUBSCRIPTION = "no active subscription"
    ONCE_PER_GROUP = "this group was refunded before"


def minute_of(now: int) -> int:
    """The number of the minute that `now` lies in."""
    return now // MINUTE


def once_a_minute(last_minute: int | None, minute: int) -> bool:
    """Whether it may be done in `minute` when it was last done in `last_minute`.

    "Another minute", not "a later one": a clock that was set back must not lock people out.
    """
    return last_minute != minute


def premium_until(current_end: int | None, now: int) -> int:
    """When premium ends after one more payment: time that is left is kept, not lost."""
    return max(now, current_end or 0) + PREMIUM_LASTS


def is_premium(is_active: bool, expires_at: int | None, now: int) -> bool:
    """Whether a subscription counts at `now`; one without an end never expires."""
    return is_active and (expires_at is None or now < expires_at)


def refund_answer(subscription_counts: bool, refunded_before: bool) -> RefundAnswer:
    """Whether a group gets its refund: only while it has premium, and once ever."""
    if refunded_before:
        return RefundAnswer.ONCE_PER_GROUP
    return RefundAnswer.GRANTED if subscription_counts else RefundAnswer.NO_SUBSCRIPTION


def may_delete(owner_id: int | None, user_id: int) -> bool:
    """Whether `user_id` may delete a message: only its known owner may."""
    return owner_id is not None and owner_id == user_id
