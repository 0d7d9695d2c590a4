"""A few dozen people in a few groups who keep the bot busy: a seeded random source that acts as people do."""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable

from telegram_stand_in.world import Json, Message, World

FEWEST_PEOPLE = 48
ACTIONS_OF_ONE = 0.3
"""Nobody acts more often, in actions per second: more traffic is more people."""
GROUPS = 8
REMEMBERED = 200
PATIENT_UNTIL = 1_000
"""Updates that wait for a bot that is away; then people fall silent."""
CATCH_UP = 1.0
"""Seconds of actions made up for after a stall."""

NAMES = (
    "Ada",
    "Grace",
    "Käthe",
    "Дмитрий",
    "さくら",
    "ليلى",
    "Linus",
    "O'Brien",
    "Zoë 🎁",
    "Robert'); DROP TABLE users;--",
)
LANGUAGES = ("en", "de", "ru", "ja", "ar")
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
REASONS = ("changed my mind", "it's not what I thought", "zu teuer", "дорого", "لا أحتاجه", "")
CHATTER = ("hello", "/unknown", "Robert'); DROP TABLE user_requests;--", "\u202eback to front", "🎉" * 40, "/gift")


def people(count: int) -> list[Json]:
    """The same people at every start."""
    return [
        {
            "id": 5_000_000_000 + 7_919 * number,  # real ids no longer fit 32 bits
            "is_bot": False,
            "first_name": NAMES[number % len(NAMES)],
            "language_code": LANGUAGES[number % len(LANGUAGES)],
        }
        for number in range(count)
    ]


def groups() -> list[Json]:
    """The same groups at every start."""
    return [
        {"id": -1_001_000_000_000 - number, "type": "supergroup", "title": f"Gift lovers {number + 1}"}
        for number in range(GROUPS)
    ]


class People:
    """One action per call of `act`."""

    def __init__(self, world: World, rate: float, seed: str | None) -> None:
        self._world = world
        self._random = random.Random(seed)  # noqa: S311 # traffic, no secrets
        self._people = people(max(FEWEST_PEOPLE, round(rate / ACTIONS_OF_ONE)))
        self._groups = groups()
        self._by_id = {person["id"]: person for person in self._people}
        self._buttons: deque[Message] = deque(maxlen=REMEMBERED)
        self._invoices: deque[Message] = deque(maxlen=REMEMBERED)
        self._payers: deque[tuple[Json, Json]] = deque(maxlen=REMEMBERED)
        kinds: tuple[tuple[int, Callable[[], object]], ...] = (
            (52, self._gift),
            (14, self._command),
            (10, self._press),
            (4, self._premium),
            (6, self._pay),
            (3, self._refund),
            (2, self._links),
            (6, self._settings),
            (5, self._chat),
        )
        self._weights = [weight for weight, _ in kinds]
        self._actions = [action for _, action in kinds]
        world.watchers.append(self._watch)

    def act(self) -> None:
        """Does one action, chosen at random."""
        self._random.choices(self._actions, self._weights)[0]()

    def _watch(self, message: Message) -> None:
        if "invoice" in message:
            self._invoices.append(message)
        elif "reply_markup" in message:
            self._buttons.append(message)

    def _gift(self) -> None:
        self._say(f"/gift {self._random.choice(GIFTS)}")

    def _command(self) -> None:
        command = self._random.choice(("/start", "/help", "/stats", "/stats@sidemirror_bot"))
        person = self._person()
        private = {"id": person["id"], "type": "private", "first_name": person["first_name"]}
        self._world.say(person, private if self._random.random() < 0.2 else self._group(), command)

    def _press(self) -> None:
        if not self._buttons:
            return
        message = self._random.choice(self._buttons)
        owner = self._addressee(message) if self._random.random() < 0.8 else None
        button = message["reply_markup"]["inline_keyboard"][0][0]
        self._world.press(owner or self._person(), message, button["callback_data"])

    def _premium(self) -> None:
        self._say("/premium")

    def _pay(self) -> None:
        if not self._invoices:
            return
        message = self._invoices.popleft()
        person = self._addressee(message) if self._random.random() < 0.9 else None
        person = person or self._person()
        self._world.pay(person, message)
        self._payers.append((person, message["chat"]))

    def _refund(self) -> None:
        if self._payers:
            self._world.say(*self._random.choice(self._payers), f"/refund {self._random.choice(REASONS)}".strip())

    def _links(self) -> None:
        if self._payers:
            person, chat = self._random.choice(self._payers)
            name = f"g{-chat['id']}"
            links = [f"mrkt=https://example.org/mrkt/{name}"]
            if self._random.random() < 0.5:
                links.append(f"tonnel=https://example.org/tonnel/{name}?n={self._random.getrandbits(16)}")
            self._world.say(person, chat, f"/links {' '.join(links)}")

    def _settings(self) -> None:
        self._say(
            self._random.choice(
                (
                    f"/language {self._random.choice(LANGUAGES)}",
                    f"/favourite {self._random.choice(GIFTS)}",
                    "/settings",
                )
            )
        )

    def _chat(self) -> None:
        self._say(self._random.choice(CHATTER))

    def _say(self, text: str) -> None:
        self._world.say(self._person(), self._group(), text)

    def _person(self) -> Json:
        return self._people[int(self._random.betavariate(1, 3) * len(self._people))]  # few people write most

    def _group(self) -> Json:
        return self._groups[int(self._random.betavariate(1, 2) * len(self._groups))]

    def _addressee(self, message: Message) -> Json | None:
        return self._by_id.get(message.get("reply_to_message", {}).get("from", {}).get("id", 0))


async def keep_busy(world: World, rate: float, seed: str | None) -> None:
    """Acts `rate` times a second for ever, and falls silent while the bot is away."""
    crowd = People(world, rate, seed)
    next_action = time.monotonic()
    while rate:
        next_action = max(next_action, time.monotonic() - CATCH_UP)
        while next_action <= time.monotonic():
            next_action += 1 / rate
            if len(world.queue) < PATIENT_UNTIL:
                crowd.act()
        await asyncio.sleep(max(0.002, next_action - time.monotonic()))
