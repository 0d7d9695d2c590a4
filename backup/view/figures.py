"""Between runs: what the page shows and no run should wait for. Rows here while runs fail, and what is slow to count."""

from __future__ import annotations

import logging
import sqlite3
import time
from datetime import datetime

import psycopg2

from backup import outcome, source
from backup.config import BackupSettings
from backup.here import rows_here
from backup.outcome import Outcome
from backup.session import Session
from backup.shadows import Shadows
from backup.view import store
from backup.view.refresh import refresh
from backup.view.remember import COUNT_AGAIN_SECONDS, target_name
from mirror.errors import SidemirrorError

# The connection of the last run is still open then, so that this costs no other.
LOOK_SECONDS = 5.0

# A table is counted anew at most this often, sooner when it has a fifth more rows or less, and never before a second has
# passed for each thousand rows: it is read whole, at the target's cost.
PAUSE_SECONDS = 300.0
GROWN_SECONDS = 20.0
ROWS_A_SECOND = 1000.0

_DUE = """
SELECT EXISTS (
    SELECT * FROM tables WHERE NOT gone AND changed_at > COALESCE(measured_at, 0)
    AND ?1 - COALESCE(measured_at, 0) > max(
        CASE WHEN abs(mirror - measured_rows) * 5 > measured_rows THEN ?4 ELSE ?2 END, mirror / ?3)
)
"""

log = logging.getLogger(__name__)


class Figures:
    """`catch_up` does what is due, and never fails: the page's figures then stay as old as it says that they are."""

    def __init__(self) -> None:
        self._looked = 0.0

    def catch_up(self, settings: BackupSettings, session: Session) -> None:
        if time.monotonic() - self._looked < LOOK_SECONDS or not (settings.state_dir / store.FILE).exists():
            return
        self._looked = time.monotonic()
        known = outcome.read(settings.state_dir)
        try:
            if any(trouble.subject == "run" for trouble in known.troubles):
                _count_here(settings)
            elif not known.stopped:
                _measure(settings, session, known)
        except (sqlite3.Error, psycopg2.Error, OSError, UnicodeError, SidemirrorError) as error:
            log.debug("The page's figures were not brought up to date (%s)", type(error).__name__)


def _count_here(settings: BackupSettings) -> None:
    """No run came through, so what was mirrored last says nothing of how many rows the bot's files have."""
    now = time.time()
    # Of the view's own target: settings that lead nowhere are no reason to throw away what the page shows.
    target = store.target_of(settings.state_dir)
    if not target:
        return
    with store.writing(settings.state_dir, target) as view:
        [(counted,)] = view.execute("SELECT min(COALESCE(here_at, 0)) FROM databases")
        files = [file for (file,) in view.execute("SELECT file FROM databases ORDER BY file")]
    if not files or now - counted < COUNT_AGAIN_SECONDS:
        return
    present = source.find(settings).databases
    found = {file: (rows_here(settings, file) or {}) if file in present else {} for file in files}
    with store.writing(settings.state_dir, target) as view:
        for file, tables in found.items():
            store.set_here(view, file, tables, now)
        store.set_facts(view, looked_at=now)


def _measure(settings: BackupSettings, session: Session, known: Outcome) -> None:
    now = time.time()
    if store.target_of(settings.state_dir) != target_name(settings):
        return
    with store.writing(settings.state_dir, target_name(settings)) as view:
        [(due,)] = view.execute(_DUE, (now, PAUSE_SECONDS, ROWS_A_SECOND, GROWN_SECONDS))
        read_at = store.fact(view, "refreshed_at") or 0.0
    drilled = known.drill is not None and datetime.fromisoformat(known.drill.at).timestamp() > read_at
    thinned = session.upkeep.thinned_at > read_at
    if not (due or drilled or thinned):
        return
    with session.connection.connected(settings) as connection:
        state = session.read_state(connection, settings.source_name)
        if state is None:
            return
        with store.writing(settings.state_dir, target_name(settings)) as view:
            if store.fact(view, "last_run") == state.last_run:  # otherwise the next run reads what it missed
                refresh(view, connection, state, Shadows(settings.state_dir), now, everything=drilled or thinned)
