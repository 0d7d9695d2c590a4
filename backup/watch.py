"""The sidecar's second program: looks at what the first one knows of itself, and tells people outside.

It is a process of its own, so that it can neither hold up a run nor fail one, and so that it still speaks when the
scheduler hangs or cannot be started. What was told is in alerts.json: a restart tells nothing twice and forgets nothing.
"""

from __future__ import annotations

import json
import logging
import shutil
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Any

from pydantic import TypeAdapter

from backup import clock, events, news, outbox, outcome, restores, turns
from backup.address import Address
from backup.alert import Open, decide
from backup.alive import heard
from backup.answer import limit_seconds
from backup.config import BackupSettings
from backup.outbox import Pace, Waiting
from backup.send import UNUSABLE, send, unusable
from backup.state import Moment, read_as, write_atomically
from backup.wrong import BY_DATE_ALONE, Known, Wrong, wrong_now
from mirror.errors import ConfigError, StateError
from mirror.notes import AHEAD

ALERTS_FILE = "alerts.json"
POLL_SECONDS = 1.0
# The scheduler makes a run when the date was set.
SETTLING_SECONDS = 300.0

_UNUSABLE_HINT = "compare it with https://appriseit.com/services/ (the address is not shown: it is a secret)"

log = logging.getLogger(__name__)


def _now() -> str:
    return datetime.now(UTC).isoformat()


@dataclass(frozen=True)
class Told:
    """What alerts.json holds. `restores_until`: when the last restore was that was told; `news_until`: the last event that
    is told once. `failing`: the addresses that could not be reached at the last try, and why.
    """

    watching_since: Moment
    restores_until: Moment = field(default_factory=_now)  # an older version did not write these
    news_until: Moment = field(default_factory=_now)
    opened: tuple[Open, ...] = ()
    waiting: tuple[Waiting, ...] = ()
    failing: tuple[tuple[str, str], ...] = ()


_TOLD = TypeAdapter(Told)


class Watch:
    """`load` reads the settings as they are now."""

    def __init__(self, load: Callable[[], BackupSettings]) -> None:
        self.load = load
        self.settings = load()
        self.stopping = threading.Event()
        self.told = read(self.settings.state_dir, datetime.now(UTC))
        self.paces: dict[int, Pace] = {}
        self.written = True
        self.events_seen: int | None = None
        self.date = clock.Date()
        self.date_believed_at = 0.0

    def serve(self) -> None:
        """Returns after SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._name_the_unusable()
        count = len(self.settings.alert_addresses)
        log.info("Alerts go to %d addresses", count) if count else log.warning(
            "Nobody is told when something goes wrong. Try: set ALERT_URLS or DISCORD_WEBHOOK_URL"
        )
        while not self.stopping.is_set():
            self.look(datetime.now(UTC))
            self.stopping.wait(POLL_SECONDS)

    def _name_the_unusable(self) -> None:
        """At once, and not when the first alert cannot be sent. The others get theirs, and runs go on."""
        wrong = {address.name: UNUSABLE for address in unusable(self.settings.alert_addresses)}
        for name, reason in wrong.items():
            log.error("%s: %s\n  Try: %s", name, reason, _UNUSABLE_HINT)
        names = {address.name for address in self.settings.alert_addresses}
        failing = {name: reason for name, reason in self.told.failing if name in names and reason != UNUSABLE}
        self._keep(replace(self.told, failing=tuple((failing | wrong).items())))

    def look(self, now: datetime) -> None:
        """What is wrong now, what of it is news, and everything that is due on its way."""
        self._reload()
        self._end_what_hangs()
        settings, addresses = self.settings, self.settings.alert_addresses
        found = known_now(settings, self.told)
        wrong = self._believed(wrong_now(found, now))
        if addresses:
            messages, opened = decide(
                self.told.opened, wrong, settings.source_name, found.outcome.equal_at, now, settings.alert_after
            )
            waiting = outbox.add(self.told.waiting, messages, len(addresses))
            self._keep(replace(self.told, opened=opened, waiting=waiting))
        self._look_for_restores()
        self._look_for_news()
        for index, address in enumerate(addresses):
            self._deliver(index, address, len(addresses))

    def _believed(self, wrong: tuple[Wrong, ...]) -> tuple[Wrong, ...]:
        """Without what only the date says, until a run had time to write down when it was by the date as it was set."""
        if self.date.step():
            self.date_believed_at = clock.now() + SETTLING_SECONDS
        if clock.now() >= self.date_believed_at:
            return wrong
        before = {one.wrong.key for one in self.told.opened}
        return tuple(one for one in wrong if one.kind not in BY_DATE_ALONE or one.subject != "run" or one.key in before)

    def _end_what_hangs(self) -> None:
        """The file is set aside by the run that comes next."""
        try:
            turn = turns.end_if_hung(self.settings.state_dir)
        except StateError as error:
            log.error("%s", error)
            return
        if turn is not None:
            log.error("%s: it is ended", turn.told)

    def _look_for_restores(self) -> None:
        source, count = self.settings.source_name, len(self.settings.alert_addresses)
        done = restores.since(self.settings.notes_dir, self.told.restores_until)
        if done:
            restores.write_down(self.settings.state_dir, self.settings.log_format, source, done)
            waiting = outbox.add(self.told.waiting, restores.messages(source, done), count)
            self._keep(replace(self.told, restores_until=done[-1].at, waiting=waiting))

    def _look_for_news(self) -> None:
        written = _size(self.settings.state_dir / events.EVENTS_FILE)
        if written == self.events_seen:
            return
        found = news.since(self.settings.state_dir, self.told.news_until)
        if found:
            messages = news.messages(self.settings.source_name, found)
            waiting = outbox.add(self.told.waiting, messages, len(self.settings.alert_addresses))
            self._keep(replace(self.told, news_until=found[-1].at, waiting=waiting))
        self.events_seen = written

    def _deliver(self, index: int, address: Address, count: int) -> None:
        message = outbox.for_address(self.told.waiting, index)
        pace = self.paces.setdefault(index, Pace())
        if message is None or time.monotonic() < pace.not_before or self.stopping.is_set():
            return
        failure = send(address, message)
        pace.written(time.monotonic())
        failing = dict(self.told.failing)
        if failure is None:
            if failing.pop(address.name, None):
                log.info("Alerts reach %s again", address.name)
            self._keep(
                replace(
                    self.told,
                    waiting=outbox.delivered(self.told.waiting, index, count),
                    failing=tuple(failing.items()),
                )
            )
            return
        if failing.get(address.name) != failure:
            log.warning("An alert could not be sent to %s: %s; it is tried again", address.name, failure)
        self._keep(replace(self.told, failing=tuple((failing | {address.name: failure}).items())))

    def _reload(self) -> None:
        """A changed secret file is used from the next look on; settings that became wrong are the scheduler's to tell."""
        try:
            self.settings = self.load()
        except ConfigError:
            return

    def _keep(self, told: Told) -> None:
        """In memory whatever happens; on the disk when there is room, tried again at each look until it works."""
        if told == self.told and self.written:
            return
        self.told = told
        try:
            write(self.settings.state_dir, told)
            self.written = True
        except StateError as error:
            if self.written:
                log.error("%s", error)
            self.written = False

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()


def known_now(settings: BackupSettings, told: Told | None = None) -> Known:
    """What there is to judge by."""
    told = told or read(settings.state_dir, datetime.now(UTC))
    return Known(
        outcome=outcome.read(settings.state_dir),
        watching_since=datetime.fromisoformat(told.watching_since),
        limit_seconds=limit_seconds(settings.backup_every),
        target_size_limit=settings.target_size_limit,
        state_free_bytes=_free(settings.state_dir),
        heard=heard(settings.state_dir),
        turn=turns.hanging(settings.state_dir),
    )


def read(state_dir: Path, now: datetime) -> Told:
    """What was told so far; nothing yet where that cannot be read."""
    found = read_as(_TOLD, state_dir / ALERTS_FILE)
    if found is None:
        first = (now - restores.FIRST_LOOK).isoformat()
        return Told(now.isoformat(timespec="seconds"), first, first)
    if datetime.fromisoformat(found.restores_until) > now + AHEAD:  # no restore made from now on would be told
        return replace(found, restores_until=now.isoformat())
    return found


def write(state_dir: Path, told: Told) -> None:
    """Raises StateError."""
    content: dict[str, Any] = asdict(told)
    write_atomically(state_dir / ALERTS_FILE, json.dumps(content, indent=1))


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except OSError:
        return None


def _free(folder: Path) -> int | None:
    try:
        return shutil.disk_usage(folder).free
    except OSError:
        return None
