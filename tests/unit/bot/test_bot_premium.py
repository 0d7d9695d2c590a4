"""Paying, premium and refunds on a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bot.premium import MarketLinks, Payment, Premium, Refund
from bot.rules import DAY, RefundAnswer

NOW = 1_800_000_000
OWNER, GROUP = 5_000_000_001, -1_001_234_567_890


@pytest.fixture
def premium(tmp_path) -> Iterator[Premium]:
    opened = Premium(tmp_path)
    yield opened
    opened.file.close()


def _payment(number: int = 1, group: int = GROUP) -> Payment:
    return Payment(OWNER, group, f"pay-{number}", f"charge-{number}", 250)


def _rows(premium: Premium, table: str) -> list[tuple[object, ...]]:
    return premium.file.connection.execute(f"SELECT * FROM {table} ORDER BY id").fetchall()


def test_an_invoice_can_be_paid_by_its_person_at_its_price_for_fifteen_minutes(premium):
    premium.ask_payment(OWNER, "pay-1", 250, NOW)
    assert _rows(premium, "pending_payments") == [(1, OWNER, "pay-1", 250, NOW, NOW + 900)]
    assert premium.may_pay(OWNER, "pay-1", 250, NOW + 899)
    assert not premium.may_pay(OWNER, "pay-1", 250, NOW + 900)
    assert not premium.may_pay(OWNER, "pay-1", 1, NOW)
    assert not premium.may_pay(OWNER + 1, "pay-1", 250, NOW)
    assert not premium.may_pay(OWNER, "pay-2", 250, NOW)


def test_a_payment_closes_its_invoice_is_booked_and_gives_premium(premium):
    premium.ask_payment(OWNER, "pay-1", 250, NOW)
    assert premium.buy_premium(_payment(), NOW + 5)
    assert _rows(premium, "pending_payments") == []
    assert _rows(premium, "payment_history") == [(1, OWNER, "pay-1", 250, "completed", NOW + 5)]
    end = NOW + 5 + 30 * DAY
    assert _rows(premium, "premium_subscriptions") == [
        (1, OWNER, GROUP, "pay-1", "charge-1", 250, None, None, None, None, NOW + 5, end, 1)
    ]
    assert premium.has_premium(GROUP, NOW + 6)
    assert not premium.has_premium(GROUP, end)
    assert not premium.has_premium(GROUP - 1, NOW + 6)


def test_a_payment_that_is_reported_twice_counts_once(premium):
    assert premium.buy_premium(_payment(), NOW)
    before = _rows(premium, "premium_subscriptions"), _rows(premium, "payment_history")
    assert not premium.buy_premium(_payment(), NOW + 60)
    assert (_rows(premium, "premium_subscriptions"), _rows(premium, "payment_history")) == before


def test_money_that_arrives_after_its_invoice_ran_out_still_buys_premium(premium):
    premium.ask_payment(OWNER, "pay-1", 250, NOW)
    premium.clean_up(NOW + DAY)
    assert premium.buy_premium(_payment(), NOW + DAY)
    assert premium.has_premium(GROUP, NOW + 2 * DAY)


def test_paying_again_prolongs_the_same_subscription_and_keeps_its_links(premium):
    premium.buy_premium(_payment(1), NOW)
    assert premium.set_links(OWNER, GROUP, MarketLinks(mrkt="https://m", portal="https://p"))
    premium.buy_premium(_payment(2), NOW + 10 * DAY)
    assert _rows(premium, "premium_subscriptions") == [
        (
            1,
            OWNER,
            GROUP,
            "pay-2",
            "charge-2",
            250,
            "https://m",
            None,
            None,
            "https://p",
            NOW,
            NOW + 60 * DAY,
            1,
        )
    ]
    assert len(_rows(premium, "payment_history")) == 2


def test_links_need_a_subscription(premium):
    assert not premium.set_links(OWNER, GROUP, MarketLinks(mrkt="https://m"))


def test_a_refund_ends_premium_and_is_pending_until_it_is_paid_back(premium):
    premium.buy_premium(_payment(), NOW)
    reason = 'it\'s "not" what I thought; DROP TABLE refunds; 🎁'
    assert premium.refund(OWNER, GROUP, reason, NOW + 9) == Refund(RefundAnswer.GRANTED, 1, "charge-1")
    assert not premium.has_premium(GROUP, NOW + 9)
    refund = (1, 1, OWNER, GROUP, "pay-1", 250, reason, NOW + 9)
    assert _rows(premium, "refunds") == [(*refund, "pending", None)]
    assert _rows(premium, "refunded_groups") == [(1, GROUP, OWNER, NOW + 9, reason)]
    assert [row[4] for row in _rows(premium, "payment_history")] == ["completed", "refunded"]
    assert premium.finish_refund(1, "telegram")
    assert not premium.finish_refund(1, "somebody else")
    assert _rows(premium, "refunds") == [(*refund, "completed", "telegram")]


def test_a_group_is_refunded_once_ever_even_after_buying_again(premium):
    premium.buy_premium(_payment(1), NOW)
    premium.refund(OWNER, GROUP, "", NOW + 1)
    premium.buy_premium(_payment(2), NOW + 2)
    assert premium.has_premium(GROUP, NOW + 3)
    assert premium.refund(OWNER, GROUP, "", NOW + 3) == Refund(RefundAnswer.ONCE_PER_GROUP)
    assert premium.has_premium(GROUP, NOW + 3)
    assert len(_rows(premium, "refunds")) == 1


def test_there_is_no_refund_without_premium_or_for_another_owner_or_after_its_end(premium):
    assert premium.refund(OWNER, GROUP, "", NOW).answer is RefundAnswer.NO_SUBSCRIPTION
    premium.buy_premium(_payment(), NOW)
    assert premium.refund(OWNER + 1, GROUP, "", NOW).answer is RefundAnswer.NO_SUBSCRIPTION
    assert premium.refund(OWNER, GROUP, "", NOW + 31 * DAY).answer is RefundAnswer.NO_SUBSCRIPTION
    assert _rows(premium, "refunds") == _rows(premium, "refunded_groups") == []


def test_clean_up_deletes_invoices_that_ran_out_and_ends_premium_that_is_over(premium):
    premium.ask_payment(OWNER, "old", 50, NOW - 900)
    premium.ask_payment(OWNER, "new", 50, NOW - 899)
    premium.buy_premium(_payment(1, GROUP), NOW - 30 * DAY)
    premium.buy_premium(_payment(2, GROUP - 1), NOW - 29 * DAY)
    assert premium.clean_up(NOW) == 2
    assert [row[2] for row in _rows(premium, "pending_payments")] == ["new"]
    assert [row[12] for row in _rows(premium, "premium_subscriptions")] == [0, 1]
    assert premium.clean_up(NOW) == 0
