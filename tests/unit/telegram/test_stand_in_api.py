"""The stand-in of the Bot API answers as Telegram does where a bot can tell the difference."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from fix_telegram import ADA, GROUP, SERVICE, Telegram, wait_until


@pytest.fixture
def telegram(tmp_path) -> Iterator[Telegram]:
    telegram = Telegram(tmp_path)
    telegram.start()
    yield telegram
    telegram.destroy()


def taken(telegram, **parameters):
    answer = telegram.call("getUpdates", **parameters)
    assert answer["ok"], answer
    return [each["message"]["text"] for each in answer["result"]], [each["update_id"] for each in answer["result"]]


def test_only_its_own_token_is_let_in(telegram):
    assert telegram.call("getMe")["result"]["username"] == "sidemirror_bot"
    refused = {"ok": False, "error_code": 401, "description": "Unauthorized"}
    assert telegram.call("getMe", token="2:other") == refused
    assert telegram.call("noSuchMethod")["error_code"] == 404


def test_updates_stay_until_an_offset_above_them_is_asked_for(telegram):
    for text in "abc":
        telegram.say(text)
    texts, numbers = taken(telegram)
    assert texts == ["a", "b", "c"]
    assert taken(telegram, limit=1)[0] == ["a"]
    assert taken(telegram, offset=numbers[1])[0] == ["b", "c"]
    assert taken(telegram)[0] == ["b", "c"]
    assert taken(telegram, offset=numbers[2] + 1)[0] == []
    assert taken(telegram, offset=numbers[0])[0] == []


def test_a_negative_offset_forgets_all_but_the_last(telegram):
    for text in "abc":
        telegram.say(text)
    assert taken(telegram, offset=-1)[0] == ["c"]
    assert taken(telegram)[0] == ["c"]


def test_a_question_is_held_until_there_is_news(telegram):
    began = time.monotonic()
    assert taken(telegram, timeout=1)[0] == []
    assert time.monotonic() - began >= 1
    with ThreadPoolExecutor() as threads:
        asked = threads.submit(taken, telegram, timeout=20)
        wait_until(lambda: len(telegram.calls("getUpdates")) == 2)
        telegram.say("news")
        assert asked.result()[0] == ["news"]
    assert time.monotonic() - began < 10


def test_a_second_question_ends_the_first_with_a_conflict(telegram):
    with ThreadPoolExecutor() as threads:
        first = threads.submit(telegram.call, "getUpdates", timeout=20)
        wait_until(lambda: telegram.calls("getUpdates"))
        taken(telegram)
        assert first.result()["error_code"] == 409


def test_updates_of_kinds_that_were_not_asked_for_are_left_out(telegram):
    taken(telegram, allowed_updates=["callback_query"])
    telegram.say("unheard")
    assert taken(telegram)[0] == []


def test_numbers_never_go_back_when_it_is_started_anew(telegram):
    telegram.say("a")
    (before,) = taken(telegram)[1]
    telegram.stop()
    telegram.start()
    telegram.say("b")
    assert taken(telegram)[1][0] > before


@pytest.mark.parametrize(
    ("method", "parameters", "said"),
    [
        ("sendMessage", {"chat_id": 1, "text": "x"}, "chat not found"),
        ("sendMessage", {"chat_id": GROUP["id"], "text": " "}, "message text is empty"),
        ("sendMessage", {"chat_id": GROUP["id"], "text": "🎁" * 2049}, "message is too long"),
        ("sendMessage", {"chat_id": "x", "text": "x"}, "must be an integer"),
        ("deleteMessage", {"chat_id": GROUP["id"], "message_id": 1}, "message to delete not found"),
        ("answerCallbackQuery", {"callback_query_id": "1"}, "query is too old"),
        ("answerPreCheckoutQuery", {"pre_checkout_query_id": "1", "ok": "true"}, "query is too old"),
        ("answerPreCheckoutQuery", {"pre_checkout_query_id": "1", "ok": "false"}, "error_message must be given"),
        ("refundStarPayment", {"user_id": 1, "telegram_payment_charge_id": "x"}, "CHARGE_NOT_FOUND"),
        ("sendInvoice", {"chat_id": GROUP["id"], "currency": "EUR", "prices": [{}]}, "CURRENCY_INVALID"),
    ],
)
def test_a_request_that_telegram_refuses_is_refused(telegram, method, parameters, said):
    telegram.say("hello")
    refused = telegram.call(method, **parameters)
    assert refused["error_code"] == 400
    assert said in refused["description"]


def test_stars_are_refunded_once_and_to_their_payer(telegram):
    telegram.paid(payload="p", charge_id="c")
    assert telegram.call("refundStarPayment", user_id=1, telegram_payment_charge_id="c")["ok"] is False
    assert telegram.call("refundStarPayment", user_id=ADA["id"], telegram_payment_charge_id="c")["ok"] is True
    again = telegram.call("refundStarPayment", user_id=ADA["id"], telegram_payment_charge_id="c")
    assert "CHARGE_ALREADY_REFUNDED" in again["description"]


def test_without_traffic_nobody_writes_and_people_fall_silent_while_the_bot_is_away(telegram):
    assert telegram.state()["waiting"] == 0
    telegram.stop()
    telegram.start(3000)
    wait_until(lambda: telegram.state()["waiting"] >= 1000)
    assert telegram.state()["waiting"] == 1000


def test_wrong_settings_end_it_with_code_2_all_of_them_told():
    done = subprocess.run(
        [sys.executable, "-m", "telegram_stand_in"],
        env={"PYTHONPATH": str(SERVICE), "PORT": "http", "BOT_TRAFFIC": "fast"},
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert done.returncode == 2
    assert "PORT='http'" in done.stderr
    assert "BOT_TRAFFIC='fast'" in done.stderr
