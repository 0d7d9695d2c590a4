"""When runs and drills happen: at start, on change, every BACKUP_EVERY, and again with growing pauses after a failure."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType
from uuid import UUID

from backup import drilling, noticing, outcome, turns
from backup.agenda import Agenda, jittered, left_of
from backup.alive import Beat
from backup.aside import Aside
from backup.config import BackupSettings
from backup.drill_process import DrillProcess
from backup.heartbeat import Heartbeat
from backup.noticing import Polling
from backup.on_change import OnChange
from backup.outcome import Outcome
from backup.remember import remember
from backup.run import Report, run
from backup.session import Session
from backup.tell import Teller
from backup.view.figures import Figures
from mirror.errors import (
    ConfigError,
    DrillStopped,
    NoBackup,
    RunInProgress,
    SidemirrorError,
    TargetError,
    TargetLogin,
    TargetMoved,
    TargetUnreachable,
)
from mirror.log_line import of_run

FIRST_PAUSE = timedelta(seconds=5)
LONGEST_PAUSE = timedelta(minutes=10)
AGAIN_PAUSE = timedelta(seconds=1)  # for what was locked or half written just then
LONGEST_DRILL_PAUSE = timedelta(hours=1)
HEARTBEAT_SECONDS = 5.0
_POLL_SECONDS = 1.0
_RETRY = "retry of a "

log = logging.getLogger(__name__)


class Scheduler:
    """Runs until it is told to stop; a run in progress is finished first. `load` reads the settings as they are now."""

    def __init__(self, load: Callable[[], BackupSettings]) -> None:
        self.load = load
        self.settings = load()
        self.agenda = Agenda()
        self.stopping = threading.Event()
        self.pause = FIRST_PAUSE
        self.given_up: Outcome | None = None
        self.heartbeat = Heartbeat(lambda: self.settings.heartbeat_url.get_secret_value())
        self.session = Session(aside=Aside(lasting=True))
        self.alive = Beat(lambda: self.settings)
        self.teller = Teller()
        self.figures = Figures()
        self.drilling: DrillProcess | None = None
        self.wake = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self.changes: OnChange | None = None
        self.polling = noticing.read(self.settings.state_dir)  # as it is written down

    def serve(self) -> None:
        """The sidecar's main loop; returns after SIGTERM or SIGINT."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._stop)
        self.alive.start()
        self._begin()
        while not self.stopping.is_set():
            self.alive.came_round()
            look = self._wait(_POLL_SECONDS)
            if self.stopping.is_set():
                break
            self.session.connection.close_if_idle()
            self.teller.catch_up(self.settings.target_size_limit)
            self.figures.catch_up(self.settings, self.session)
            if self.drilling is not None and self.drilling.ended():
                self._drill(self._drill_ends)
            if self.given_up is None:
                self._look_at_the_clock()
                self._do_what_is_due()
                if look:
                    self._run_if_written_to()
            elif self._changed(self.given_up):
                log.info("The settings or the target have changed: going on")
                self._begin()
        self.heartbeat.close(HEARTBEAT_SECONDS)
        self.session.close()
        log.info("Sidemirror stops")

    def job(self, kind: str) -> None:
        """One run with its outcome told."""
        with of_run() as token:
            self._job(kind, token)

    def _job(self, kind: str, token: UUID) -> None:
        """This is the one place that catches, so that one bad run never ends the next."""
        at = datetime.now(UTC)
        if kind == "full":
            self.agenda.put("full", jittered(self.settings.backup_every))
        try:
            self.heartbeat.began()
            report = run(self.settings, kind, token, self.session)
        except RunInProgress:
            log.info("A run is in progress already; the next try is in %d s", FIRST_PAUSE.total_seconds())
            self._retry(kind, FIRST_PAUSE)
        except SidemirrorError as error:
            self._failed(error, at, kind)
        except Exception as error:
            log.exception("An error that should not happen; please report it")
            self._failed(SidemirrorError(f"an unexpected {type(error).__name__}", "see the log"), at, kind)
        else:
            self.teller.tell(report, self.settings.target_size_limit)
            self._plan_after(report)
            before = outcome.read(self.settings.state_dir)
            result = outcome.succeeded(before, report)
            self.heartbeat.ended(equal=not result.troubles)
            self._remember(before, result)

    def drill(self) -> None:
        """Begins a drill, unless one was made in the meantime. Runs go on beside it."""
        if self.drilling is None:
            self._drill(self._drill_begins)

    def _drill_begins(self) -> None:
        if drilling.is_due(self.settings):
            self.drilling = DrillProcess()

    def _drill_ends(self) -> None:
        if process := self.drilling:
            self.drilling = None
            drilling.remembered(self.settings, process.result())

    def _drill(self, step: Callable[[], None]) -> None:
        """It catches as `job` does."""
        try:
            step()
            if self.drilling is None:
                self._plan_drill()
        except TargetLogin as error:
            self._failed(error, datetime.now(UTC), "run")
        except (RunInProgress, NoBackup, TargetUnreachable, TargetMoved, DrillStopped) as error:
            # Runs tell that the target is away.
            log.info("There was no drill: %s", error.what)
            self.agenda.put("drill", LONGEST_PAUSE)
        except SidemirrorError as error:
            log.error("There was no drill: %s", error)
            drilling.could_not(self.settings, error)
            # What the target refuses now (a certificate, say) may be mended soon; until a drill is good, status warns.
            self.agenda.put("drill", LONGEST_PAUSE if isinstance(error, TargetError) else LONGEST_DRILL_PAUSE)
        except Exception:
            log.exception("An error in a drill that should not happen; please report it")
            drilling.could_not(self.settings, SidemirrorError("a drill could not be made", "see the log"))
            self.agenda.put("drill", LONGEST_DRILL_PAUSE)
        if self.drilling is None:
            known = outcome.read(self.settings.state_dir)
            self._remember(known, known)

    def _plan_drill(self) -> None:
        left = drilling.left(self.settings, outcome.read(self.settings.state_dir), datetime.now(UTC))
        if left is not None:
            self.agenda.put("drill", jittered(left))

    def _begin(self) -> None:
        self.given_up = None
        self.pause = FIRST_PAUSE
        every = self.settings.backup_every
        log.info("Sidemirror starts: source %s, a full run every %s", self.settings.source_name, every)
        # A sidecar that is started often has its full runs all the same.
        left = left_of(every, outcome.read(self.settings.state_dir).full_at, datetime.now(UTC))
        self.agenda.put("full", jittered(left))
        self._plan_drill()
        self._watch()
        self.job("run" if left else "full")

    def _do_what_is_due(self) -> None:
        name = self.agenda.take()
        if name == "drill":
            self.drill()
        elif name is not None:
            self.job(name.removeprefix(_RETRY))

    def _look_at_the_clock(self) -> None:
        """A date that was set makes every time that is written down wrong; a run makes them right again."""
        if step := self.agenda.clock_step():
            self.alive.beat()  # at once: by the new date, the last one is days old
            log.warning("The clock was set %s by %d s", "forward" if step > 0 else "back", abs(step))
            self.agenda.put("run", timedelta(0))

    def _plan_after(self, report: Report) -> None:
        """What was refused is tried again; in between it is met by runs by change, which do not put that off."""
        if report.waiting:
            self.agenda.put("run", AGAIN_PAUSE)
        if report.refusals and report.kind == "change":
            if self.agenda.date_of(_RETRY + "run", _RETRY + "full") is None:
                self._try_again("run")
            return
        self.agenda.drop(_RETRY + "run")
        if report.kind == "full":
            self.agenda.drop(_RETRY + "full")
        if report.refusals:
            self._try_again(report.kind)
        else:
            self.pause = FIRST_PAUSE

    def _watch(self) -> None:
        if self.changes is not None:
            self.changes.close()
        folders = (self.settings.sqlite_dir, self.settings.json_dir)
        interval = self.settings.min_interval.total_seconds()
        self.changes = OnChange(folders, interval, self.wake) if self.settings.backup_on_change else None
        self._note_how_changes_are_noticed(self.changes.polling if self.changes else None)

    def _note_how_changes_are_noticed(self, polling: Polling | None) -> None:
        if polling == self.polling:
            return
        try:
            noticing.write(self.settings.state_dir, polling)
        except SidemirrorError as error:
            log.error("%s", error)
        self.polling = polling

    def _wait(self, seconds: float) -> bool:
        """At most so long, and not after a signal. True: the source is to be looked at."""
        if self.changes is not None:
            look = self.changes.wait(seconds)
            self._note_how_changes_are_noticed(self.changes.polling)
            return look
        self.stopping.wait(seconds)
        return False

    def _run_if_written_to(self) -> None:
        """While a failed run waits to be tried again, that try is the next run."""
        if self.changes is not None and self.changes.is_due(self.session.look(self.settings)):
            self.changes.run_begins()
            self.job(kind="change")
            self.changes.run_ended()

    def _failed(self, error: SidemirrorError, at: datetime, kind: str) -> None:
        log.error("%s", error)
        before = outcome.read(self.settings.state_dir)
        self.heartbeat.ended(equal=False)
        result = outcome.failed(before, error, at, stopped=isinstance(error, TargetLogin))
        if result.stopped:
            log.error("No more tries until the settings are others")
            self.agenda.clear()
            self.given_up = result
        else:
            self._try_again(kind)
        self._remember(before, result)

    def _try_again(self, kind: str) -> None:
        """With growing pauses, and never later than the next full run."""
        log.info("The next try is in %d s", self.pause.total_seconds())
        self._retry(kind, jittered(self.pause))
        self.pause = min(self.pause * 2, LONGEST_PAUSE)

    def _retry(self, kind: str, pause: timedelta) -> None:
        # One retry at a time; one of a full run is one of the other kind as well.
        full = kind == "full" or bool(self.agenda.planned(_RETRY + "full"))
        self.agenda.drop(_RETRY + "run")
        self.agenda.put(_RETRY + ("full" if full else "run"), pause)

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
            remember(
                self.settings.state_dir,
                before,
                outcome.with_next(result, self._next_at(), self.agenda.date_of("drill")),
            )
        except SidemirrorError as error:
            log.error("%s", error)

    def _next_at(self) -> str | None:
        return self.agenda.date_of("run", "full", _RETRY + "run", _RETRY + "full")

    def _stop(self, _number: int, _frame: FrameType | None) -> None:
        turns.forget(self.settings.state_dir)  # what ends from now on, a person ends
        self.stopping.set()
        os.eventfd_write(self.wake, 1)
