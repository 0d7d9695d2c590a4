"""Traffic as a chat makes it: a seeded random source that calls what chat handlers call."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable

from bot.document import Document, count, prefer
from bot.premium import MarketLinks, Payment, Premium
from bot.requests import Requests
from bot.rules import MINUTE, Keep, RefundAnswer

PEOPLE = 200
CHATS = 25
GROUPS = 5_000
STARS = (50, 100, 250, 500)
GIFTS = (
    "Plush Pepe",
    "Durov's Cap",
    "Käsekuchen",
    "Сердце",
    "🎁 Gift Box",
    "日本の桜",
    'The "Golden" Star',
    "Ice; Cream",
)
COMMANDS = ("/start", "/gift", "/premium", "/refund", "/stats", "/help")
LANGUAGES = ("en", "de", "ru", "ja", "ar")
REASONS = ("changed my mind", "it's not what I thought", "zu teuer", "дорого", "لا أحتاجه", "")

# Short, so that a few minutes of traffic show deletes as well.
KEEP = Keep(gift_requests=2 * MINUTE, commands=10 * MINUTE, messages=10 * MINUTE)
REMEMBERED = 200


class Traffic:
    """One action per call of `act`. The same seed on the same data at the same times gives the same rows."""

    def __init__(self, seed: str, premium: Premium, requests: Requests, document: Document) -> None:
        self._premium = premium
        self._requests = requests
        self._document = document
        self._next_message = requests.newest_message() + 1
        self._random = random.Random(f"{seed}/{self._next_message}")
        self._sent: deque[tuple[int, int, int]] = deque(maxlen=REMEMBERED)  # message, chat, person
        self._bought: deque[tuple[int, int]] = deque(maxlen=REMEMBERED)  # owner, group
        kinds: tuple[tuple[int, Callable[[int], None]], ...] = (
            (30, self._gift),
            (24, self._command),
            (24, self._answer),
            (6, self._delete),
            (6, self._buy),
            (2, self._refund),
            (2, self._links),
            (5, self._preference),
            (1, self._clean_up),
        )
        self._weights = [weight for weight, _ in kinds]
        self._actions = [action for _, action in kinds]

    def act(self, now: int) -> None:
        """Does one action, chosen at random, and counts it in the document."""
        action = self._random.choices(self._actions, self._weights)[0]
        action(now)
        count(self._document, "actions")

    def _gift(self, now: int) -> None:
        gift = self._random.choice(GIFTS)
        allowed = self._requests.request_gift(self._person(), self._chat(), gift, now)
        count(self._document, "gifts_given" if allowed else "gifts_too_soon")

    def _command(self, now: int) -> None:
        self._requests.log_command(self._person(), self._chat(), self._random.choice(COMMANDS), now)
        count(self._document, "commands")

    def _answer(self, now: int) -> None:
        person, chat, message = self._person(), self._chat(), self._new_message()
        self._requests.own_message(message, chat, person, now)
        if self._random.random() < 0.4:
            linked = self._new_message()
            self._requests.own_message(linked, chat, person, now)
            self._requests.link_messages(message, chat, linked, person, now)
        self._sent.append((message, chat, person))
        count(self._document, "messages_sent")

    def _delete(self, _now: int) -> None:
        if not self._sent:
            return
        message, chat, owner = self._random.choice(self._sent)
        asking = owner if self._random.random() < 0.8 else self._person()
        deleted = self._requests.delete_message(message, chat, asking)
        count(self._document, "messages_deleted" if deleted else "deletions_refused")

    def _buy(self, now: int) -> None:
        group = self._random.randrange(GROUPS)
        owner, stars = _owner_of(group), self._random.choice(STARS)
        payment_id = f"premium-{now}-{self._random.getrandbits(48):012x}"
        self._premium.ask_payment(owner, payment_id, stars, now)
        if self._random.random() < 0.2 or not self._premium.may_pay(owner, payment_id, stars, now):
            count(self._document, "invoices_unpaid")
            return
        charge_id = f"stars_{self._random.getrandbits(64):016x}"
        payment = Payment(owner, _group_id(group), payment_id, charge_id, stars)
        self._premium.buy_premium(payment, now)
        if self._random.random() < 0.05:  # Telegram may report one payment twice
            self._premium.buy_premium(payment, now)
        self._bought.append((owner, payment.group_id))
        count(self._document, "payments")

    def _refund(self, now: int) -> None:
        if not self._bought:
            return
        owner, group_id = self._random.choice(self._bought)
        refund = self._premium.refund(owner, group_id, self._random.choice(REASONS), now)
        if refund.id is not None and self._random.random() < 0.8:
            self._premium.finish_refund(refund.id, "traffic")
        count(self._document, "refunds" if refund.answer is RefundAnswer.GRANTED else "refunds_refused")

    def _links(self, now: int) -> None:
        if not self._bought:
            return
        owner, group_id = self._random.choice(self._bought)
        name = f"g{-group_id}"
        links = MarketLinks(
            mrkt=f"https://example.org/mrkt/{name}",
            tonnel=f"https://example.org/tonnel/{name}?from={now}" if self._random.random() < 0.5 else None,
        )
        self._premium.set_links(owner, group_id, links)
        count(self._document, "links_set")

    def _preference(self, _now: int) -> None:
        name, value = self._random.choice(
            (
                ("language", self._random.choice(LANGUAGES)),
                ("notify", self._random.random() < 0.5),
                ("favourite_gift", self._random.choice(GIFTS)),
            )
        )
        prefer(self._document, self._person(), name, value)

    def _clean_up(self, now: int) -> None:
        self._requests.clean_up(now, KEEP)
        self._premium.clean_up(now)
        count(self._document, "clean_ups")

    def _person(self) -> int:
        return _person_id(int(self._random.betavariate(1, 4) * PEOPLE))  # few people write most

    def _chat(self) -> int:
        return -1_001_000_000_000 - int(self._random.betavariate(1, 3) * CHATS)

    def _new_message(self) -> int:
        self._next_message += 1
        return self._next_message - 1


def _person_id(number: int) -> int:
    return 5_000_000_000 + 7_919 * number  # real Telegram ids no longer fit 32 bits


def _group_id(number: int) -> int:
    return -1_002_000_000_000 - number


def _owner_of(group: int) -> int:
    return _person_id(group % PEOPLE)
