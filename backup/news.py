"""What is nothing wrong any more, and people should know all the same: told once, as it is in the events."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from backup import events
from backup.alert import Message
from backup.events import Event
from backup.known import REFUSED, WENT_BACK

_TITLES = {WENT_BACK: "the target went back in time", REFUSED: "another sidecar was refused"}


def since(state_dir: Path, until: str) -> tuple[Event, ...]:
    """Those of after `until` (ISO 8601), oldest first."""
    known = datetime.fromisoformat(until)
    found = (event for event in events.read(state_dir) if event.kind in _TITLES)
    return tuple(event for event in found if datetime.fromisoformat(event.at) > known)


def messages(source: str, news: tuple[Event, ...]) -> tuple[Message, ...]:
    return tuple(
        Message(
            f"Sidemirror, {source}: {_TITLES[event.kind]}",
            f"What: {event.what}.\nWhen: {event.at}\nTry: {event.hint}",
            "warning",
        )
        for event in news
    )
