"""Messages on their way: each waits until every address has it; bounded, and never faster than a person can read."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from backup.alert import LONGEST_TEXT, Message

MOST_WAITING = 50
IN_ONE = 5  # messages that wait together go out as one
FIRST_GAP = 5.0
LONGEST_GAP = 600.0


@dataclass(frozen=True)
class Waiting:
    """A message, and the addresses (by their place in the list) that do not have it yet."""

    message: Message
    left: tuple[int, ...]


@dataclass
class Pace:
    """When one address may be written to again: pauses grow with each message or failure, and shrink by rest."""

    not_before: float = 0.0
    gap: float = field(default=FIRST_GAP)

    def written(self, now: float) -> None:
        """After each message, sent or not. `now`: seconds of a clock that is never set."""
        if now - self.not_before > LONGEST_GAP:
            self.gap = FIRST_GAP
        self.not_before = now + self.gap
        self.gap = min(self.gap * 2, LONGEST_GAP)


def add(waiting: tuple[Waiting, ...], messages: tuple[Message, ...], count: int) -> tuple[Waiting, ...]:
    """With the new messages for all `count` addresses; the oldest are let go when there are too many."""
    everyone = tuple(range(count))
    return (*waiting, *(Waiting(message, everyone) for message in messages if everyone))[-MOST_WAITING:]


def for_address(waiting: tuple[Waiting, ...], index: int) -> Message | None:
    """What one address is to get now: a single message, or all that wait for it in one."""
    due = [one.message for one in waiting if index in one.left]
    if len(due) < 2:
        return due[0] if due else None
    shown = due[-IN_ONE:]
    more = (
        f"({len(due) - len(shown)} older messages are left out; ./sidemirror status)\n\n" if len(due) > IN_ONE else ""
    )
    room = LONGEST_TEXT // len(shown)
    body = more + "\n\n".join(f"{message.title}\n{message.body[:room]}" for message in shown)
    return Message(f"{due[-1].title} ({len(due)} messages)", body, due[-1].mood)


def delivered(waiting: tuple[Waiting, ...], index: int, count: int) -> tuple[Waiting, ...]:
    """After everything went to that address. Addresses that are no longer in the list of `count` are forgotten."""
    rest = (replace(one, left=tuple(i for i in one.left if i != index and i < count)) for one in waiting)
    return tuple(one for one in rest if one.left)
