"""Restores that were made here, noticed by the sidecar: for the log, for events.jsonl, and for people."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from backup import events
from backup.alert import Message
from backup.events import Event
from backup.log import LOG_FILE
from mirror.log_line import formatter
from mirror.plain_text import shown
from mirror.restores import Done, read

# A sidecar that knows of none yet (a new server, a lost state folder) tells those of the last day.
FIRST_LOOK = timedelta(days=1)

log = logging.getLogger(__name__)


def since(notes_dir: Path, until: str) -> tuple[Done, ...]:
    """Those made after `until` (ISO 8601), oldest first."""
    known = datetime.fromisoformat(until)
    return tuple(done for done in read(notes_dir) if datetime.fromisoformat(done.at) > known)


def write_down(state_dir: Path, log_format: str, source: str, done: tuple[Done, ...]) -> None:
    """A line in the log, also in the scheduler's log file, and an event for each."""
    with _log_file(state_dir / LOG_FILE, log_format):
        for one in done:
            log.info("%s. %s", shown(one.what), _kept(one))
    events.append(state_dir, *(Event(one.at, "Restored", source, shown(one.what), _kept(one)) for one in done))


def messages(source: str, done: tuple[Done, ...]) -> tuple[Message, ...]:
    """One for each. A restore is nothing wrong; but somebody should know who did not do it."""
    title = f"Sidemirror, {source}: restored"
    return tuple(Message(title, f"What: {shown(one.what)}.\nWhen: {one.at}\nTry: {_kept(one)}", "info") for one in done)


@contextmanager
def _log_file(path: Path, log_format: str) -> Iterator[None]:
    try:
        handler = logging.FileHandler(path)
    except OSError:
        yield  # told on stdout all the same
        return
    handler.setFormatter(formatter(log_format))
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()


def _kept(done: Done) -> str:
    if done.replaced is None:
        return "Nothing stood in the way, so nothing was kept"
    return f"What was there before is in {done.replaced}; to go back: ./sidemirror restore --undo {Path(done.replaced).name}"
