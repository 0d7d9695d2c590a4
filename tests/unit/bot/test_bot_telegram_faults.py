"""Telegram away, busy, stumbling or refusing: the bot loses no update, says what is wrong, and goes on by itself."""

from __future__ import annotations

import re
import time

import pytest
from fix_telegram import ADA, BOB, DEADLINE, GROUP, OTHER_GROUP, wait_until


def log(bot):
    return bot.log(bot.running[-1])


@pytest.mark.alone
@pytest.mark.parametrize("way", ["BOT_TOKEN", "BOT_TOKEN_FILE"])
def test_a_wrong_token_ends_the_bot_with_code_3_and_is_not_shown(bot, way):
    (bot.root / "token").write_text("123456:wrong-secret\n")
    given = {"BOT_TOKEN": "", "BOT_TOKEN_FILE": str(bot.root / "token")}
    code, out, err = bot.run(**(given if way == "BOT_TOKEN_FILE" else {"BOT_TOKEN": "123456:wrong-secret"}))
    assert code == 3
    assert re.fullmatch(r"Error: http://127\.0\.0\.1:\d+ refuses the bot's token\n  Try: correct BOT_TOKEN .*\n", err)
    assert "wrong-secret" not in out + err


@pytest.mark.alone
def test_a_token_that_is_revoked_later_ends_the_bot_too(bot, chat):
    chat.fault(method="getUpdates", status=401, description="Unauthorized")
    chat.say("/help")  # ends the question that is open
    process = bot.running[-1]
    _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 3
    assert "refuses the bot's token" in err


@pytest.mark.alone
def test_a_telegram_that_is_away_at_the_start_is_waited_for(bot):
    bot.telegram.stop()
    process = bot.start()
    wait_until(lambda: "reaching Telegram failed" in bot.log(process))
    assert (bot.sqlite_dir / "premium_system.db").exists()
    assert bot.health() == (1, "the bot is not running, or has not reached Telegram yet")
    bot.telegram.start()
    wait_until(lambda: bot.health()[0] == 0)
    assert bot.log(process).count("reaching Telegram failed") == 1
    assert "reaching Telegram works again" in bot.log(process)
    assert "1:stand-in" not in bot.log(process)


@pytest.mark.alone
def test_a_telegram_that_goes_away_is_told_once_and_waited_for(bot, chat):
    chat.stop()
    wait_until(lambda: "asking Telegram for updates failed" in log(bot))
    chat.start()
    chat.answer_to(chat.say("/help"))
    assert log(bot).count("asking Telegram for updates failed") == 1
    assert log(bot).count("asking Telegram for updates works again") == 1
    assert bot.health()[0] == 0


@pytest.mark.alone
def test_the_bot_stops_at_once_while_telegram_is_away(bot, chat):
    chat.stop()
    wait_until(lambda: "asking Telegram for updates failed" in log(bot))
    began = time.monotonic()
    code, _, err = bot.stop(bot.running[-1])
    assert (code, err) == (0, "")
    assert time.monotonic() - began < 12  # a request may take 15, and its retry more


def test_a_retry_after_is_waited_out_and_the_answer_still_comes(bot, chat):
    chat.fault(method="sendMessage", status=429, retry_after=2, description="Too Many Requests: retry after 2")
    began = time.monotonic()
    chat.answer_to(chat.say("/help"))
    assert time.monotonic() - began >= 2
    assert len(chat.calls("sendMessage")) == 2
    assert "Telegram asks for a pause of 2 s before sendMessage" in log(bot)


@pytest.mark.alone
def test_a_retry_after_in_one_chat_does_not_hold_up_another_in_the_same_batch(bot, chat):
    process = bot.running[-1]
    bot.stop(process)
    waiting = chat.say("/help")
    chat.fault(method="sendMessage", status=429, retry_after=3, description="Too Many Requests: retry after 3")
    other = chat.say("/help", BOB, OTHER_GROUP)
    bot.started()
    chat.answer_to(waiting)
    chat.answer_to(other)
    times = sorted(m["message_id"] for m in [*chat.said(), *chat.said(OTHER_GROUP)])
    assert len(times) == 2


def test_a_retry_after_for_updates_is_kept(bot, chat):
    asked = len(chat.calls("getUpdates"))
    began = time.monotonic()
    chat.fault(method="getUpdates", status=429, retry_after=3, description="Too Many Requests: retry after 3")
    first = chat.say("/help")  # ends the question that is open; the next one is refused
    chat.answer_to(first)
    wait_until(lambda: len(chat.calls("getUpdates")) > asked + 1)
    assert time.monotonic() - began >= 3
    assert chat.answer_to(chat.say("/start"))


@pytest.mark.parametrize(
    "fault", [{"status": 500}, {"status": 502, "description": "Bad Gateway"}, {"drop": True}], ids=["500", "502", "cut"]
)
def test_a_server_that_stumbles_is_asked_again(chat, fault):
    chat.fault(method="sendMessage", times=3, **fault)
    chat.answer_to(chat.say("/help"))
    assert len(chat.calls("sendMessage")) == 4


def test_a_lost_answer_to_getupdates_loses_no_update_and_doubles_none(bot, chat):
    chat.fault(method="getUpdates", times=2, drop=True, after=True)
    first = chat.say("/gift Star")
    second = chat.say("/gift Moon")
    chat.answer_to(first)
    chat.answer_to(second)
    chat.settled()
    assert len(chat.said()) == 2
    assert len(bot.query("user_requests.db", "SELECT * FROM user_requests")) == 2


def test_a_refusal_is_told_and_the_next_update_is_handled(bot, chat):
    chat.fault(method="sendMessage", status=403, description="Forbidden: bot was kicked from the supergroup chat")
    chat.say("/help")
    chat.answer_to(chat.say("/start"))
    assert "sendMessage was refused" in log(bot)


def test_a_message_that_is_gone_already_is_deleted_all_the_same(bot, chat):
    sent = chat.answer_to(chat.say("/gift Star"))
    chat.call("deleteMessage", chat_id=GROUP["id"], message_id=sent["message_id"])
    chat.updates(
        {
            "update_id": 10**15,
            "callback_query": {"id": "9", "from": ADA, "chat_instance": "1", "message": sent, "data": "delete"},
        }
    )
    chat.settled()
    assert bot.query("user_requests.db", "SELECT * FROM message_owners") == []


@pytest.mark.alone
def test_a_refund_that_telegram_cannot_pay_yet_is_granted_kept_and_paid_later(bot, chat):
    chat.pay(chat.answer_to(chat.say("/premium")))
    chat.settled()
    chat.fault(
        method="refundStarPayment", status=429, retry_after=100, description="Too Many Requests: retry after 100"
    )
    assert "as soon as it can be reached" in chat.answer_to(chat.say("/refund"))["text"]
    assert bot.query("premium_system.db", "SELECT status FROM refunds") == [("pending",)]
    refused = chat.answer_to(chat.say("/premium", BOB))
    chat.pay(refused, BOB)
    chat.settled()
    assert "under way" in chat.calls("answerPreCheckoutQuery")[-1]["error_message"]
    bot.stop(bot.running[-1])
    bot.started()  # looks after what is pending at its start, and every minute
    wait_until(lambda: bot.query("premium_system.db", "SELECT status FROM refunds") == [("completed",)])
    assert [each["refunded"] for each in chat.state()["charges"].values()] == [True]


@pytest.mark.alone
def test_what_was_written_while_the_bot_was_away_is_answered_when_it_is_back(bot, chat):
    bot.stop(bot.running[-1])
    waiting = [chat.say(f"/gift number {number}") for number in range(10)]
    bot.started()
    assert [chat.answer_to(each)["text"][0] for each in waiting] == ["🎁"] * 10
    assert len(chat.said()) == 10


@pytest.mark.alone
def test_a_stop_in_the_middle_of_a_batch_finishes_it_and_confirms_what_was_handled(bot, chat):
    bot.stop(bot.running[-1])
    for number in range(10):
        chat.say(f"/gift number {number}")
    chat.fault(method="sendMessage", delay=1.0)
    process = bot.start()
    wait_until(lambda: chat.calls("sendMessage"))
    code, out, err = bot.stop(process)
    assert (code, err) == (0, "")
    assert "stopped: 10 updates" in out
    assert chat.state()["waiting"] == 0
    bot.started()
    chat.answer_to(chat.say("/help"))
    assert len(chat.said()) == 11


@pytest.mark.alone
def test_a_kill_in_the_middle_of_a_batch_loses_no_update(bot, chat):
    bot.stop(bot.running[-1])
    sent = [chat.say("/language de", ADA | {"id": number}) for number in range(11, 16)]
    chat.fault(method="sendMessage", delay=0.0, after=True, drop=True)
    process = bot.start()
    wait_until(lambda: len(chat.calls("sendMessage")) >= 2)
    process.kill()
    process.wait()
    bot.started()
    chat.settled()
    answered = {m["reply_to_message"]["message_id"] for m in chat.said()}
    assert len(answered) >= len(sent) - 1  # the command that was noted, and killed before its answer, is "too soon" now
    bot.stop(bot.running[-1])


def test_two_bots_with_one_token_are_told_apart(bot, chat):
    chat.fault(method="getUpdates", status=409, description="Conflict: terminated by other getUpdates request", times=2)
    chat.say("/help")
    wait_until(lambda: "another program asks for this bot's updates" in log(bot))
    chat.answer_to(chat.say("/start"))
