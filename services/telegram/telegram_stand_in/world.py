"""What Telegram knows: people, chats, messages, invoices and stars; and what people can do with them."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from telegram_stand_in.errors import bad_request
from telegram_stand_in.updates import UpdateQueue, first_number

Message = dict[str, Any]
Json = dict[str, Any]

BOT: Json = {"id": 1, "is_bot": True, "first_name": "Sidemirror's bot", "username": "sidemirror_bot"}
ABILITIES: Json = {
    "can_join_groups": True,
    "can_read_all_group_messages": False,
    "supports_inline_queries": False,
    "can_connect_to_business": False,
    "has_main_web_app": False,
}
REMEMBERED = 20_000
PAY_WITHIN = 10.0
"""Seconds in which a pre-checkout question must be answered."""


@dataclass
class Checkout:
    """A person who has pressed Pay and waits for the bot's word."""

    person: Json
    message: Message
    payload: str
    stars: int
    asked_at: float


@dataclass
class Charge:
    """Stars that were paid."""

    person_id: int
    stars: int
    refunded: bool = False


class World:
    """All state of the stand-in, in memory: it starts empty each time."""

    def __init__(self) -> None:
        self.queue = UpdateQueue()
        self.messages: OrderedDict[tuple[int, int], Message] = OrderedDict()
        self.checkouts: dict[str, Checkout] = {}
        self.presses: set[str] = set()
        self.charges: dict[str, Charge] = {}
        self.chats: dict[int, Json] = {}
        self.commands: list[Json] = []
        self.watchers: list[Callable[[Message], None]] = []
        """Called with each message of the bot."""
        self._next = first_number()

    def number(self) -> int:
        """A number that was never given before."""
        self._next += 1
        return self._next

    # What people do. Each becomes an update.

    def say(self, person: Json, chat: Json, text: str, reply_to: Message | None = None) -> Message:
        """A person writes."""
        content: Json = {"text": text}
        if text.startswith("/"):
            length = len(text.split(maxsplit=1)[0].encode("utf-16-le")) // 2
            content["entities"] = [{"type": "bot_command", "offset": 0, "length": length}]
        message = self._message(person, chat, content, reply_to)
        self.queue.put({"message": message})
        return message

    def press(self, person: Json, message: Message, data: str) -> str:
        """A person presses a button below a message of the bot; the query's id is returned."""
        query_id = str(self.number())
        self.presses.add(query_id)
        query = {"id": query_id, "from": person, "chat_instance": str(message["chat"]["id"]), "data": data}
        self.queue.put({"callback_query": query | {"message": message}})
        return query_id

    def pay(self, person: Json, message: Message) -> str:
        """A person presses Pay on an invoice; the bot is asked, and on its yes the stars move."""
        query_id = str(self.number())
        payload, stars = message["payload"], message["invoice"]["total_amount"]
        self.checkouts[query_id] = Checkout(person, message, payload, stars, time.monotonic())
        query = {"id": query_id, "from": person, "currency": "XTR", "total_amount": stars}
        self.queue.put({"pre_checkout_query": query | {"invoice_payload": payload}})
        return query_id

    # What the bot does.

    def post(self, chat_id: int, content: Json, reply_to: int | None = None) -> Message:
        """A message of the bot."""
        chat = self.chats.get(chat_id)
        if chat is None:
            raise bad_request("chat not found")
        message = self._message(BOT, chat, content, self.messages.get((chat_id, reply_to or 0)))
        for watcher in self.watchers:
            watcher(message)
        return message

    def delete(self, chat_id: int, message_id: int) -> None:
        """Takes a message away."""
        if self.messages.pop((chat_id, message_id), None) is None:
            raise bad_request("message to delete not found")

    def answer_checkout(self, query_id: str, ok: bool) -> None:
        """On a yes the person pays, and the bot is told."""
        checkout = self.checkouts.pop(query_id, None)
        if checkout is None or time.monotonic() - checkout.asked_at > PAY_WITHIN:
            raise bad_request("query is too old and response timeout expired or query ID is invalid")
        if ok:
            self.paid(checkout.person, checkout.message["chat"], checkout.payload, checkout.stars)

    def paid(self, person: Json, chat: Json, payload: str, stars: int, charge_id: str | None = None) -> Message:
        """Tells the bot that stars have arrived; the same `charge_id` again is the same payment told twice."""
        charge_id = charge_id or f"stars_{self.number():x}"
        self.charges.setdefault(charge_id, Charge(person["id"], stars))
        payment = {
            "currency": "XTR",
            "total_amount": stars,
            "invoice_payload": payload,
            "telegram_payment_charge_id": charge_id,
            "provider_payment_charge_id": "",
        }
        message = self._message(person, chat, {"successful_payment": payment})
        self.queue.put({"message": message})
        return message

    def refund(self, person_id: int, charge_id: str) -> None:
        """Gives stars back, once."""
        charge = self.charges.get(charge_id)
        if charge is None or charge.person_id != person_id:
            raise bad_request("CHARGE_NOT_FOUND")
        if charge.refunded:
            raise bad_request("CHARGE_ALREADY_REFUNDED")
        charge.refunded = True

    def _message(self, sender: Json, chat: Json, content: Json, reply_to: Message | None = None) -> Message:
        self.chats[chat["id"]] = chat
        number = self.number()
        message = {"message_id": number, "from": sender, "chat": chat, "date": int(time.time()), **content}
        if reply_to:
            message["reply_to_message"] = {key: reply_to[key] for key in reply_to if key != "reply_to_message"}
        self.messages[chat["id"], number] = message
        while len(self.messages) > REMEMBERED:
            self.messages.popitem(last=False)
        return message
