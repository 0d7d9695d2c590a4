"""When runs happen: at start, every BACKUP_EVERY, and again with growing pauses while the target is away."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType

import schedule

from backup import outcome
from backup.config import BackupSettings
from backup.outcome import Outcome
from backup.remember import remember
from backup.run import run
from mirror.errors import ConfigError, RunInProgress, SidemirrorError, TargetLogin

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
_POLL_SECONDS = 1.0
_RETRY = "retry"

log = logging.getLogger(__name__)


class Scheduler:
    """Runs until it is told to stop; a run in progress is finished first. `load` reads the settings as they are now."""

    def __init__(self, load: Callable[[], BackupSettings]) -> None:
        self.load = load
        self.settings = load()
        self.jobs = schedule.Scheduler()
        self.stopping = threading.Event()
        self.pause = FIRST_PAUSE
        self.given_up: Outcome | None = None

    def serve(self) -> None:
        """The sidecar's main loop; returns after SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self._begin()
        while not self.stopping.wait(_POLL_SECONDS):
            if self.given_up is None:
                self.jobs.run_pending()
            elif self._changed(self.given_up):
                log.info("The settings or the target have changed: going on")
                self._begin()
        log.info("Sidemirror stops")

    def job(self, kind: str) -> object:
        """One run with its outcome told. This is the one place that catches, so that one bad run never ends the next."""
        self.jobs.clear(_RETRY)
        folder = self.settings.state_dir
        before = outcome.read(folder)
        at = datetime.now(UTC)
        try:
            report = run(self.settings, kind)
        except RunInProgress:
            log.info("A run is in progress already; the next try is in %d s", FIRST_PAUSE.total_seconds())
            self._try_again(FIRST_PAUSE)
        except SidemirrorError as error:
            self._failed(before, error, at)
        except Exception as error:
            log.exception("An error that should not happen; please report it")
            self._failed(before, SidemirrorError(f"an unexpected {type(error).__name__}", "see the log"), at)
        else:
            self.pause = FIRST_PAUSE
            outcome.tell(report, self.settings.target_size_limit)
            self._remember(before, outcome.succeeded(before, report))
        return schedule.CancelJob if kind == "run" else None

    def _begin(self) -> None:
        self.given_up = None
        self.pause = FIRST_PAUSE
        every = self.settings.backup_every
        log.info("Sidemirror starts: source %s, a full run every %s", self.settings.source_name, every)
        self.jobs.every(int(every.total_seconds())).seconds.do(self.job, kind="full")
        self.job(kind="run")

    def _failed(self, before: Outcome, error: SidemirrorError, at: datetime) -> None:
        log.error("%s", error)
        result = outcome.failed(before, error, at, stopped=isinstance(error, TargetLogin))
        if result.stopped:
            log.error("No more tries until the settings are others")
            self.jobs.clear()
            self.given_up = result
        else:
            log.info("The next try is in %d s", self.pause.total_seconds())
            self._try_again(self.pause)
            self.pause = min(self.pause * 2, LONGEST_PAUSE)
        self._remember(before, result)

    def _try_again(self, pause: timedelta) -> None:
        self.jobs.every(int(pause.total_seconds())).seconds.do(self.job, kind="run").tag(_RETRY)

    def _changed(self, given_up: Outcome) -> bool:
        """Whether another try can end otherwise: a person changed the settings, or a run by hand came through."""
        try:
            found = self.load()
        except ConfigError:
            return False
        others = found != self.settings
        self.settings = found
        return others or outcome.read(found.state_dir).equal_at != given_up.equal_at

    def _remember(self, before: Outcome, result: Outcome) -> None:
        try:
            remember(self.settings.state_dir, before, outcome.with_next(result, self._next_at()))
        except SidemirrorError as error:
            log.error("%s", error)

    def _next_at(self) -> str | None:
        """When the next run is planned. The job that runs just now is planned anew only when it has ended."""
        if self.given_up is not None:
            return None
        now = datetime.now()
        planned = [job.next_run for job in self.jobs.get_jobs() if job.next_run and job.next_run > now]
        next_at = min([now + self.settings.backup_every, *planned])
        return next_at.astimezone(UTC).isoformat(timespec="seconds")

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()
