"""One message to one address, by apprise, in a process of its own: it can be ended whatever it hangs in, its 40 MB are
given back, and nothing that apprise says (it knows the address) can reach a log. The address comes on standard input.
"""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from typing import Any

from backup.address import Address
from backup.alert import Message

DEADLINE_SECONDS = 30
UNUSABLE = "it is no address that apprise knows"

# What a person is told of a failure: a word of ours for what the driver says, never its own text.
_REASONS = {
    r"Name or service not known|Failed to resolve|getaddrinfo": "its host name cannot be resolved",
    r"Connection refused": "the connection is refused",
    r"CERTIFICATE_VERIFY_FAILED": "its certificate is not trusted",
    r"timed out|Timeout|timeout": "it does not answer in time",
    r"Authentication|\(535|Unauthorized": "the login is refused",
    r"unreachable|No route": "there is no way to it from here",
}


def send(address: Address, message: Message, seconds: float = DEADLINE_SECONDS) -> str | None:
    """None when the message was taken; otherwise why not, in words that hold no secret."""
    task = {"url": address.url, "title": message.title, "body": message.body, "mood": message.mood}
    answer = _child(task, seconds)
    return "it took too long, and was ended" if answer is None else answer["failure"]


def unusable(addresses: tuple[Address, ...]) -> tuple[Address, ...]:
    """Those that apprise cannot make anything of. Nothing is sent."""
    if not addresses:
        return ()
    answer = _child({"check": [address.url for address in addresses]}, DEADLINE_SECONDS)
    good = answer["good"] if answer else [True] * len(addresses)
    return tuple(address for address, usable in zip(addresses, good, strict=True) if not usable)


def _child(task: dict[str, Any], seconds: float) -> dict[str, Any] | None:
    """What the process answers; None when it was ended at the deadline."""
    try:
        done = subprocess.run(
            [sys.executable, "-m", "backup.send"],
            input=json.dumps(task),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            timeout=seconds,
            check=False,
        )
        answer: dict[str, Any] = json.loads(done.stdout)
    except subprocess.TimeoutExpired:
        return None
    except ValueError:
        return {"failure": "the program that sends it failed", "good": []} if "url" in task else None
    return answer


def _main() -> dict[str, Any]:
    import apprise

    task = json.load(sys.stdin)
    said = _Said()
    for name in ("apprise", "urllib3"):
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [said], False
        logger.setLevel(logging.DEBUG)
    asset = apprise.AppriseAsset(app_id="Sidemirror", app_desc="Sidemirror", app_url="", async_mode=False)
    if "check" in task:
        return {"good": [bool(apprise.Apprise(asset=asset).add(url)) for url in task["check"]]}
    outgoing = apprise.Apprise(asset=asset)
    if not outgoing.add(task["url"]):
        return {"failure": UNUSABLE}
    taken = bool(outgoing.notify(body=task["body"], title=task["title"], notify_type=task["mood"], body_format="text"))
    return {"failure": None if taken else said.reason()}


class _Said(logging.Handler):
    """Keeps what apprise says of a failure, to be recognised and never shown."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(record.getMessage()[:2000])

    def reason(self) -> str:
        text = "\n".join(self.lines)
        status = re.search(r"error=([1-5][0-9][0-9])\b", text)
        if status:
            return f"it answers with status {status[1]}"
        return next(
            (told for words, told in _REASONS.items() if re.search(words, text)), "it does not take the message"
        )


if __name__ == "__main__":
    print(json.dumps(_main()))
