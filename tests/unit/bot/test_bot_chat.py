"""What people write to the bot and what they get: the real bot, over real HTTP, on real files."""

from __future__ import annotations

import json
import time

import pytest
from bot.rules import DAY
from fix_telegram import ADA, BOB, GROUP, OTHER_GROUP


def private():
    return {"id": ADA["id"], "type": "private", "first_name": "Ada"}


def rows(bot, table, database="premium_system.db"):
    return bot.query(database, f"SELECT * FROM {table}")


def document(bot):
    bot.stop(bot.running[-1])
    return json.loads((bot.json_dir / "data.json").read_bytes())


def bare(text):
    """Without the marks that keep a name's direction to itself."""
    return text.replace("\u2068", "").replace("\u2069", "")


def bought(chat, person=ADA, group=GROUP):
    """Premium is asked for and paid; the bot's thanks."""
    invoice = chat.answer_to(chat.say("/premium", person, group))
    chat.pay(invoice, person)
    chat.settled()
    return chat.said(group)[-1]


def test_start_help_and_the_menu(chat):
    assert bare(chat.answer_to(chat.say("/start", chat=private()))["text"]).startswith("Hello Ada!")
    assert "/gift NAME" in chat.answer_to(chat.say("/help"))["text"]
    assert "gift" in [each["command"] for each in chat.state()["commands"]]


def test_a_gift_is_given_and_noted_for_its_person(bot, chat):
    sent = chat.answer_to(chat.say("/gift Plush Pepe"))
    assert bare(sent["text"]) == "🎁 Plush Pepe for Ada"
    chat.settled()
    found = rows(bot, "user_requests", "user_requests.db")
    assert [row[:3] for row in found] == [(ADA["id"], GROUP["id"], "Plush Pepe")]
    assert [row[:3] for row in rows(bot, "message_owners", "user_requests.db")] == [
        (sent["message_id"], GROUP["id"], ADA["id"])
    ]


def test_the_same_gift_in_the_same_minute_is_refused_once_and_then_with_silence(bot, chat):
    answers = [chat.say("/gift Star") for _ in range(5)] + [chat.say("/gift Star", BOB)]
    chat.settled()
    said = {m["reply_to_message"]["message_id"]: bare(m["text"]) for m in chat.said()}
    first, refused, *silent, other = [message["message_id"] for message in answers]
    assert said[first] == "🎁 Star for Ada"
    assert said.get(refused, "").startswith(("One moment", "🎁"))  # the minute may have turned in between
    assert said[other] == "🎁 Star for Bob"
    assert len([number for number in silent if number in said]) <= 1


def test_only_the_owner_deletes_a_message(bot, chat):
    sent = chat.answer_to(chat.say("/gift Star"))
    chat.press(sent, BOB)
    chat.settled()
    assert "Only the person" in chat.calls("answerCallbackQuery")[-1]["text"]
    assert sent["message_id"] in [m["message_id"] for m in chat.said()]
    chat.press(sent, ADA)
    chat.settled()
    assert chat.calls("answerCallbackQuery")[-1]["text"] == "Deleted."
    assert chat.said() == []
    assert rows(bot, "message_owners", "user_requests.db") == []


def test_delete_as_an_answer_takes_any_message_of_the_bot_back_for_its_owner(chat):
    sent = chat.answer_to(chat.say("/stats"))
    refused = chat.answer_to(chat.say("/delete", BOB, reply_to=sent["message_id"]))
    assert "Only the person" in refused["text"]
    chat.say("/delete", ADA, reply_to=sent["message_id"])
    chat.settled()
    assert [m["message_id"] for m in chat.said()] == [refused["message_id"]]


def test_premium_is_bought_with_stars_and_lasts_thirty_days(bot, chat):
    before = int(time.time())
    thanks = bought(chat)
    assert thanks["text"].startswith("Thank you!")
    ((_, owner, group, payment, charge, stars, *_, created, expires, active),) = rows(bot, "premium_subscriptions")
    assert (owner, group, stars, active) == (ADA["id"], GROUP["id"], 250, 1)
    assert before <= created == expires - 30 * DAY
    assert list(chat.state()["charges"]) == [charge]
    assert [row[1:5] for row in rows(bot, "payment_history")] == [(ADA["id"], payment, 250, "completed")]
    assert rows(bot, "pending_payments") == []


def test_an_invoice_is_for_its_person_and_only_once(bot, chat):
    invoice = chat.answer_to(chat.say("/premium"))
    chat.pay(invoice, BOB)
    chat.settled()
    assert chat.calls("answerPreCheckoutQuery")[-1]["ok"] == "false"
    chat.pay(invoice, ADA)
    chat.settled()
    chat.pay(invoice, ADA)
    chat.settled()
    assert [each["ok"] for each in chat.calls("answerPreCheckoutQuery")] == ["false", "true", "false"]
    assert len(rows(bot, "payment_history")) == 1


def test_a_group_with_premium_gets_its_links_below_each_gift_and_they_go_together(bot, chat):
    assert "Only who bought" in chat.answer_to(chat.say("/links mrkt=https://example.org/m", BOB))["text"]
    bought(chat)
    link = "https://example.org/ada"
    assert chat.answer_to(chat.say(f"/links mrkt={link} portal=https://example.org/p"))["text"] == "The links are set."
    sent = chat.answer_to(chat.say("/gift Star"))
    assert link in chat.answer_to(sent)["text"]
    chat.settled()
    assert len(rows(bot, "linked_messages", "user_requests.db")) == 1
    before = len(chat.said())
    chat.press(sent)
    chat.settled()
    assert len(chat.said()) == before - 2
    assert rows(bot, "linked_messages", "user_requests.db") == []


def test_a_refund_pays_the_stars_back_and_a_group_gets_one_ever(bot, chat):
    bought(chat)
    assert "250 stars back" in chat.answer_to(chat.say("/refund it's not what I thought"))["text"]
    ((charge, paid),) = chat.state()["charges"].items()
    assert paid["refunded"] is True
    assert rows(bot, "refunds")[0][6] == "it's not what I thought"
    assert rows(bot, "refunds")[0][8:] == ("completed", "telegram")
    assert [row[1:3] for row in rows(bot, "refunded_groups")] == [(GROUP["id"], ADA["id"])]
    bought(chat, BOB)
    assert "refunded before" in chat.answer_to(chat.say("/refund", BOB))["text"]
    assert [each["refunded"] for each in chat.state()["charges"].values()] == [True, False]
    assert charge != list(chat.state()["charges"])[1]


def test_a_refund_of_an_unknown_group_is_refused_and_leaves_nothing(bot, chat):
    bought(chat)
    assert "no premium" in chat.answer_to(chat.say("/refund", chat=OTHER_GROUP))["text"]
    assert rows(bot, "refunds") == rows(bot, "refunded_groups") == []
    assert chat.calls("refundStarPayment") == []


def test_premium_refund_and_links_are_for_groups(chat):
    assert "in the group" in chat.answer_to(chat.say("/premium", chat=private()))["text"]


@pytest.mark.alone
def test_preferences_are_kept_across_a_restart(bot, chat):
    assert chat.answer_to(chat.say("/language de"))["text"] == "Ich spreche jetzt Deutsch mit dir."
    assert "Käse" in chat.answer_to(chat.say("/favourite Käse 🧀"))["text"]
    bot.running[-1].kill()  # told is saved, without a chance to save at the end
    bot.running[-1].wait()
    bot.started()
    assert bare(chat.answer_to(chat.say("/gift"))["text"]) == "🎁 Käse 🧀 für Ada"
    assert "Lieblingsgeschenk: " in chat.answer_to(chat.say("/settings"))["text"]
    assert document(bot)["users"] == {str(ADA["id"]): {"language": "de", "favourite_gift": "Käse 🧀"}}


def test_the_language_of_a_persons_telegram_is_the_default(chat):
    karla = ADA | {"id": 7, "first_name": "Karla", "language_code": "de-AT"}
    assert chat.answer_to(chat.say("/help", karla))["text"].startswith("/gift NAME: ein Geschenk")


@pytest.mark.alone
def test_stats_tell_what_was_done(bot, chat):
    chat.answer_to(chat.say("/gift Star"))
    bought(chat)
    told = chat.answer_to(chat.say("/stats"))["text"]
    assert told == "Gifts: 1\nMessages deleted: 0\nPayments: 1\nGroups with premium: 1"
    assert document(bot)["counters"]["gifts_given"] == 1


def test_what_no_person_sent_and_what_is_no_command_gets_no_answer(chat):
    chat.say("hello")
    chat.say("/unknown")
    chat.say("/gift Star", ADA | {"is_bot": True})
    chat.say("/gift@another_bot Star")
    assert bare(chat.answer_to(chat.say("/gift@sidemirror_bot Star"))["text"]) == "🎁 Star for Ada"
    chat.settled()
    assert len(chat.said()) == 1
