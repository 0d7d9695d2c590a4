"""After a run, or a try of one: status.json says how things are now, events.jsonl what began and what ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from backup import events, outcome
from backup.events import Event
from backup.outcome import Outcome


def remember(state_dir: Path, before: Outcome, after: Outcome) -> None:
    """Writes both. Raises StateError when status.json cannot be written."""
    outcome.write(state_dir, after)
    events.append(state_dir, *changes(before, after))


def changes(before: Outcome, after: Outcome) -> Iterator[Event]:
    """The troubles that ended, then those that began. A trouble is the same as long as its subject and kind are."""
    at = after.tried_at or ""
    known = {(trouble.subject, trouble.kind) for trouble in before.troubles}
    found = {(trouble.subject, trouble.kind) for trouble in after.troubles}
    for trouble in before.troubles:
        if (trouble.subject, trouble.kind) not in found:
            yield Event(trouble.since, trouble.kind, trouble.subject, trouble.what, ended=at)
    for trouble in after.troubles:
        if (trouble.subject, trouble.kind) not in known:
            yield Event(at, trouble.kind, trouble.subject, trouble.what, trouble.hint)
