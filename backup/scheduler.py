"""When runs happen: at start, every BACKUP_EVERY, and again with growing pauses while the target is away."""

from __future__ import annotations

import logging
import signal
import threading
from datetime import UTC, datetime, timedelta
from types import FrameType

import schedule

from backup import outcome
from backup.config import BackupSettings
from backup.outcome import Outcome
from backup.run import run
from mirror.errors import RunInProgress, SidemirrorError, TargetLogin

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
_POLL_SECONDS = 1.0
_RETRY = "retry"

log = logging.getLogger(__name__)


class Scheduler:
    """Runs until it is told to stop; a run in progress is finished first."""

    def __init__(self, settings: BackupSettings) -> None:
        self.settings = settings
        self.jobs = schedule.Scheduler()
        self.stopping = threading.Event()
        self.pause = FIRST_PAUSE

    def serve(self) -> None:
        """The sidecar's main loop; returns after SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        every = self.settings.backup_every
        log.info("Sidemirror starts: source %s, a full run every %s", self.settings.source_name, every)
        self.jobs.every(int(every.total_seconds())).seconds.do(self.job, kind="full")
        self.job(kind="run")
        while not self.stopping.wait(_POLL_SECONDS):
            self.jobs.run_pending()
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
            log.info("A run is in progress already; this one is left out")
            return schedule.CancelJob
        except SidemirrorError as error:
            self._failed(before, error, at)
        except Exception as error:
            log.exception("An error that should not happen; please report it")
            self._failed(before, SidemirrorError(f"an unexpected {type(error).__name__}", "see the log"), at)
        else:
            self.pause = FIRST_PAUSE
            outcome.tell(report, self.settings.target_size_limit)
            self._remember(outcome.succeeded(before, report))
        return schedule.CancelJob if kind == "run" else None

    def _failed(self, before: Outcome, error: SidemirrorError, at: datetime) -> None:
        log.error("%s", error)
        stopped = isinstance(error, TargetLogin)
        if stopped:
            log.error("No more tries until the settings are changed and the sidecar is started again")
            self.jobs.clear()
        else:
            log.info("The next try is in %d s", self.pause.total_seconds())
            self.jobs.every(int(self.pause.total_seconds())).seconds.do(self.job, kind="run").tag(_RETRY)
            self.pause = min(self.pause * 2, LONGEST_PAUSE)
        self._remember(outcome.failed(before, error, at, stopped))

    def _remember(self, result: Outcome) -> None:
        next_at = self.jobs.next_run
        told = None if next_at is None else next_at.astimezone(UTC).isoformat(timespec="seconds")
        try:
            outcome.write(self.settings.state_dir, outcome.with_next(result, told))
        except SidemirrorError as error:
            log.error("%s", error)

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        self.stopping.set()
