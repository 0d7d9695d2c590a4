"""The shape of the bot's one JSON document: counters, and what each person prefers."""

from __future__ import annotations

from typing import Any

Document = dict[str, Any]


def complete(document: Document) -> Document:
    """The same document with the parts that every handler may rely on; what is there stays."""
    document.setdefault("version", 1)
    document.setdefault("counters", {})
    document.setdefault("users", {})
    return document


def count(document: Document, name: str) -> None:
    """Adds one to a counter."""
    counters = document["counters"]
    counters[name] = counters.get(name, 0) + 1


def prefer(document: Document, user_id: int, name: str, value: object) -> None:
    """Sets one preference of a person. JSON keys are text, so the id is too."""
    document["users"].setdefault(str(user_id), {})[name] = value


def preference(document: Document, user_id: int, name: str) -> Any:
    """A person's preference, None when there is none."""
    return document["users"].get(str(user_id), {}).get(name)
