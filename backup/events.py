"""What happened, for people: events.jsonl in the state folder, one line for each event, the newest last.

Lines are only ever appended, whole, by whoever meets the event (the scheduler, a command); the file is bounded by
putting it aside as events.1.jsonl when it is full, which needs no space and replaces the older one. A line that a kill
or a full disk cut off is passed over by `read`, and the next one begins on a line of its own.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path

EVENTS_FILE = "events.jsonl"
OLDER_FILE = "events.1.jsonl"
MOST_BYTES = 512 * 1024
MOST_CHARACTERS = 2000  # of one text: a line stays readable, whatever an error says

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Event:
    """`kind`: an error's class, or what was done (Accepted, TakenOver, Drill …). Times are ISO 8601 in UTC.

    With `ended` the line says that what began at `at` is over.
    """

    at: str
    kind: str
    subject: str
    what: str
    hint: str = ""
    ended: str | None = None


def happened(kind: str, subject: str, what: str, hint: str = "") -> Event:
    """An event of this moment."""
    return Event(datetime.now(UTC).isoformat(timespec="seconds"), kind, subject, what, hint)


def append(state_dir: Path, *events: Event) -> None:
    """Adds the events. Never raises: what cannot be written down is logged, and a run goes on."""
    lines = b"".join(_line(event) for event in events)
    if not lines:
        return
    try:
        with _locked(state_dir):
            _append(state_dir / EVENTS_FILE, lines)
    except OSError as error:
        log.warning("An event could not be written into %s: %s", state_dir / EVENTS_FILE, error.strerror)


def read(state_dir: Path, newest: int = 1000) -> tuple[Event, ...]:
    """The newest events, oldest first; at most `newest`."""
    found: list[Event] = []
    for name in (OLDER_FILE, EVENTS_FILE):
        try:
            lines = (state_dir / name).read_bytes().split(b"\n")
        except OSError:
            continue
        found += [event for line in lines if (event := _parsed(line))]
    return tuple(found[-newest:])


def _line(event: Event) -> bytes:
    content = {
        name: value[:MOST_CHARACTERS] if isinstance(value, str) else value
        for name, value in asdict(event).items()
        if value is not None
    }
    return json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def _parsed(line: bytes) -> Event | None:
    try:
        content = json.loads(line)
        known = {field.name: content[field.name] for field in fields(Event) if field.name in content}
        event = Event(**known)
    except (ValueError, TypeError, AttributeError):
        return None
    return event if all(isinstance(value, str) for value in known.values() if value is not None) else None


def _append(path: Path, lines: bytes) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
    try:
        size = os.fstat(descriptor).st_size
        if size and os.pread(descriptor, 1, size - 1) != b"\n":
            lines = b"\n" + lines
        try:
            if os.write(descriptor, lines) < len(lines):
                raise OSError(28, "No space left on device")
        except OSError:
            os.ftruncate(descriptor, size)  # no half line, and the byte that was free is free again
            raise
        os.fsync(descriptor)
        full = size + len(lines) > MOST_BYTES
    finally:
        os.close(descriptor)
    if full:
        path.replace(path.with_name(OLDER_FILE))


@contextmanager
def _locked(state_dir: Path) -> Iterator[None]:
    descriptor = os.open(state_dir / "events.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
