"""What people and Telegram can do wrong, each with what becomes of it."""

from __future__ import annotations

import time
from collections import Counter
from itertools import count

import pytest
from bot.rules import DAY, GIFTS_A_MINUTE, MINUTE
from fix_telegram import ADA, BOB, GROUP, wait_until

NUMBERS = count(10**15, 10_000)
"""Above every number that the stand-in gives by itself, which goes on from the highest."""

HOSTILE = {
    "sql": "'); DROP TABLE user_requests; --",
    "markup": "<b>b</b> [l](tg://user?id=1) {name} %s %(name)s {0.__class__}",
    "direction": "\u202egnp.exe\u202c \u2067x\u2069 مرحبا שלום",
    "control": "a\x00b\x1b[31mc\x07",
    "joined emoji": "👩‍👩‍👧‍👦🏳️‍🌈",
    "combining": "Z" + "\u0335\u0321" * 20,
    "quotes": "\"'`\u00b4\u2018\u201c\\",
}


def rows(bot, table, database="premium_system.db"):
    return bot.query(database, f"SELECT * FROM {table}")


def message(text, person=ADA, chat=GROUP, **more):
    """An update as Telegram would send it, under a number of the test's choosing."""
    body = {"message_id": next(NUMBERS), "from": person, "chat": chat, "date": int(time.time()), "text": text}
    length = len(text.split()[0])
    entities = [{"type": "bot_command", "offset": 0, "length": length}]
    return {"update_id": next(NUMBERS), "message": body | {"entities": entities} | more}


def minutes_since(began):
    """How many of the clock's minutes have been touched since then: usually one."""
    return int(time.time() // MINUTE - began // MINUTE) + 1


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_text_is_only_text(bot, chat, text):
    person = ADA | {"first_name": text}
    answer = chat.answer_to(chat.say(f"/gift {text}", person))["text"]
    ((*_, kept, _),) = rows(bot, "user_requests", "user_requests.db")
    assert f"\u2068{kept}\u2069" in answer  # isolated, so that its direction ends with it
    assert not set(kept) & set("\u202e\u202c\u2067\u2069\x00\x1b\x07\n")
    assert chat.answer_to(chat.say("/stats", person))["text"].startswith("Gifts: ")


@pytest.mark.parametrize("text", ["🎁" * 4096, "x" * 4096, "\u202e" * 4096 + "x" * 65, "word " * 800])
def test_a_name_that_is_too_long_is_refused_in_every_place(bot, chat, text):
    assert "too long" in chat.answer_to(chat.say(f"/gift {text}"))["text"]
    assert "too long" in chat.answer_to(chat.say(f"/favourite {text}"))["text"]
    assert "Like this" in chat.answer_to(chat.say(f"/links mrkt=https://{text}"))["text"]
    assert "no premium" in chat.answer_to(chat.say(f"/refund {text}"))["text"]
    assert rows(bot, "user_requests", "user_requests.db") == []


@pytest.mark.parametrize(
    "links", ["", "mrkt", "mrkt=javascript:alert(1)", "bank=https://x", "mrkt=http://x", "mrkt=https://x and more"]
)
def test_links_that_are_none_are_explained(chat, links):
    assert "Like this" in chat.answer_to(chat.say(f"/links {links}"))["text"]


def test_a_name_of_nothing_but_invisible_characters_is_no_name(chat):
    assert "Which one?" in chat.answer_to(chat.say("/gift \u202e \u200f \x00"))["text"]


@pytest.mark.alone
def test_a_flood_of_gifts_is_held_in_bounds_also_across_a_restart(bot, chat):
    began = time.time()
    chat.updates(*[message(f"/gift number {number}") for number in range(300)])
    chat.settled()
    bot.running[-1].kill()
    bot.running[-1].wait()
    bot.started()
    chat.updates(*[message(f"/gift again {number}") for number in range(100)])
    chat.settled()
    noted = bot.query("user_requests.db", "SELECT minute, count(*) FROM user_requests GROUP BY minute")
    assert max(count for _, count in noted) == GIFTS_A_MINUTE
    # One minute, unless the clock's minute turned meanwhile; a "too soon" for each start and each minute.
    assert len(noted) <= minutes_since(began)
    assert len(chat.said()) <= (GIFTS_A_MINUTE + 2) * len(noted)


def test_a_flood_of_one_command_is_answered_once(bot, chat):
    began = time.time()
    chat.updates(*[message("/stats") for _ in range(200)])
    chat.settled()
    answers = Counter(m["text"][:6] for m in chat.said())
    assert answers.keys() == {"Gifts:", "One mo"}
    assert max(answers.values()) <= minutes_since(began)


def test_an_update_that_comes_twice_is_handled_once(bot, chat):
    twice = message("/gift Star")
    chat.updates(twice, twice)
    chat.settled()
    chat.updates(twice)  # again, in a later batch and below the offset
    chat.answer_to(chat.say("/help", BOB))
    assert [m["text"][0] for m in chat.said()] == ["🎁", "/"]


def test_updates_out_of_order_are_handled_in_the_order_of_their_numbers(bot, chat):
    first, second, third = message("/favourite A", BOB), message("/favourite B"), message("/gift")
    chat.updates(third, first, second)
    chat.settled()
    assert [m["text"].replace("\u2068", "").replace("\u2069", "") for m in chat.said()][-1] == "🎁 B for Ada"


def test_an_update_of_an_unknown_form_does_not_hold_up_the_others(bot, chat):
    broken = [
        {"update_id": next(NUMBERS), "message": {"message_id": "not a number"}},
        {"update_id": next(NUMBERS), "message": None},
        {"update_id": next(NUMBERS), "message": "text"},
        message("\ud83d"),
    ]
    chat.updates(*broken, message("/gift Star"))
    wait_until(lambda: chat.said())
    chat.settled()
    assert "unknown form" in bot.log(bot.running[-1])
    assert bot.health() == (0, "ok")


def pay_for_invoice(chat):
    invoice = chat.answer_to(chat.say("/premium"))
    chat.pay(invoice)
    chat.settled()
    ((charge, _),) = chat.state()["charges"].items()
    return chat.calls("sendInvoice")[-1]["payload"], charge


@pytest.mark.alone
def test_a_payment_that_is_told_twice_counts_once_also_across_a_restart(bot, chat):
    payload, charge = pay_for_invoice(chat)
    before = rows(bot, "premium_subscriptions"), rows(bot, "payment_history")
    thanks = len(chat.said())
    chat.paid(payload=payload, charge_id=charge)
    chat.settled()
    bot.stop(bot.running[-1])
    bot.started()
    chat.paid(payload=payload, charge_id=charge)
    chat.settled()
    assert (rows(bot, "premium_subscriptions"), rows(bot, "payment_history")) == before
    assert len(chat.said()) == thanks
    assert chat.calls("refundStarPayment") == []


def test_an_invoice_that_is_really_paid_twice_is_booked_once_and_the_second_payment_goes_back(bot, chat):
    payload, charge = pay_for_invoice(chat)
    chat.paid(payload=payload, charge_id="stars_second")
    chat.settled()
    assert len(rows(bot, "payment_history")) == 1
    refunded = {name: each["refunded"] for name, each in chat.state()["charges"].items()}
    assert refunded == {charge: False, "stars_second": True}


def test_a_payment_before_its_question_and_without_its_invoice_still_counts(bot, chat):
    chat.paid(payload=f"premium:{GROUP['id']}:0123456789abcdef", charge_id="stars_early")
    chat.settled()
    ((_, owner, group, *_, created, expires, _),) = rows(bot, "premium_subscriptions")
    assert (owner, group, expires - created) == (ADA["id"], GROUP["id"], 30 * DAY)


@pytest.mark.parametrize("payload", ["", "premium", "premium:x:1", "premium:--5:1", "other:1:2", "premium:²:1"])
def test_a_payment_for_something_else_is_told_and_not_booked(bot, chat, payload):
    chat.paid(payload=payload, charge_id="stars_odd")
    chat.settled()
    assert rows(bot, "premium_subscriptions") == rows(bot, "payment_history") == []
    assert "is no invoice of this bot" in bot.log(bot.running[-1])


def test_a_question_about_an_unknown_invoice_is_answered_with_no(chat):
    query = {"id": "1", "from": ADA, "currency": "XTR", "total_amount": 1, "invoice_payload": "premium:1:x"}
    chat.updates({"update_id": next(NUMBERS), "pre_checkout_query": query})
    chat.settled()
    assert chat.calls("answerPreCheckoutQuery")[-1]["ok"] == "false"
