"""The stand-in of Telegram's Bot API as a real process, steered and asked over HTTP; and waiting with a deadline."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SERVICE = Path(__file__).resolve().parents[1] / "services" / "telegram"
DEADLINE = 60.0
"""Seconds: what is waited for comes within two; on a machine with other work it may take long."""
TOKEN = "1:stand-in"
BOT_ID = 1

ADA = {"id": 5_000_000_001, "is_bot": False, "first_name": "Ada", "language_code": "en"}
BOB = {"id": 5_000_000_002, "is_bot": False, "first_name": "Bob", "language_code": "en"}
GROUP = {"id": -1_001_234_567_890, "type": "supergroup", "title": "Gift lovers"}
OTHER_GROUP = GROUP | {"id": -1_001_234_567_891}


def wait_until(condition: Callable[[], Any], seconds: float = DEADLINE) -> Any:
    """The condition's outcome as soon as it is true; fails the test when it never is."""
    deadline = time.monotonic() + seconds
    while not (outcome := condition()):
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.05)
    return outcome


@dataclass
class Telegram:
    """One stand-in; it can be ended and started again on the same port."""

    root: Path
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    port: int = 0
    control: int = 0

    def start(self, traffic: float = 0, **more: str) -> None:
        """Serves, with nobody there unless there is `traffic`."""
        log = self.root / f"telegram-{len(self.running)}"
        environment = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SERVICE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "error",
            "PORT": str(self.port),
            "CONTROL_PORT": str(self.control),
            "BOT_TRAFFIC": str(traffic),
            **more,
        }
        with log.open("w") as out:
            process = subprocess.Popen(
                [sys.executable, "-m", "telegram_stand_in"],
                env=environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                text=True,
            )
        self.running.append(process)
        wait_until(lambda: "steered on port" in log.read_text() or process.poll() is not None)
        assert process.poll() is None, log.read_text()
        ports = re.findall(r"on port (\d+)", log.read_text())
        self.port, self.control = int(ports[0]), int(ports[1])

    def stop(self) -> None:
        """Ends it as Docker would."""
        self.running[-1].terminate()
        assert self.running[-1].wait(DEADLINE) == 0

    def destroy(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, method: str, token: str = TOKEN, **parameters: Any) -> dict[str, Any]:
        """What the Bot API answers, refusals included."""
        return _ask(f"{self.url}/bot{token}/{method}", parameters)

    def _steer(self, what: str, body: Any) -> Any:
        return _ask(f"http://127.0.0.1:{self.control}/{what}", body)

    def say(self, text: str, person: Any = ADA, chat: Any = GROUP, reply_to: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self._steer("say", {"person": person, "chat": chat, "text": text, "reply_to": reply_to})
        return found

    def press(self, message: Any, person: Any = ADA) -> None:
        data = message["reply_markup"]["inline_keyboard"][0][0]["callback_data"]
        where = {"chat_id": message["chat"]["id"], "message_id": message["message_id"]}
        self._steer("press", {"person": person, "data": data, **where})

    def pay(self, message: Any, person: Any = ADA) -> None:
        where = {"chat_id": message["chat"]["id"], "message_id": message["message_id"]}
        self._steer("pay", {"person": person, **where})

    def paid(self, **told: Any) -> dict[str, Any]:
        found: dict[str, Any] = self._steer("paid", {"person": ADA, "chat": GROUP, "stars": 250, **told})
        return found

    def updates(self, *updates: Any) -> None:
        self._steer("updates", list(updates))

    def fault(self, **fields: Any) -> None:
        self._steer("faults", fields)

    def forget(self) -> None:
        """As if nobody had written yet, and nothing were to go wrong."""
        self._steer("forget", {})

    def state(self) -> dict[str, Any]:
        found: dict[str, Any] = _ask(f"http://127.0.0.1:{self.control}/state", None)
        return found

    def calls(self, method: str) -> list[dict[str, Any]]:
        """The parameters of each call of a method so far."""
        return [parameters for name, parameters in self.state()["calls"] if name == method.lower()]

    def said(self, chat: Any = GROUP) -> list[dict[str, Any]]:
        """The bot's messages in a chat that are still there, oldest first."""
        return [m for m in self.state()["messages"] if m["from"]["id"] == BOT_ID and m["chat"]["id"] == chat["id"]]

    def answer_to(self, message: Any) -> dict[str, Any]:
        """The bot's first answer to a message, waited for."""
        number = message["message_id"]
        found: dict[str, Any] = wait_until(
            lambda: next(
                (m for m in self.said(message["chat"]) if m.get("reply_to_message", {}).get("message_id") == number),
                None,
            )
        )
        return found

    def settled(self) -> None:
        """Returns when the bot has confirmed every update."""
        wait_until(lambda: self.state()["waiting"] == 0)


def _ask(url: str, body: Any) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=DEADLINE) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return json.load(error)
