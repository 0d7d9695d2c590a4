"""What the target knows of the source as a run begins: whose it is, what of ours is no longer there, what was left open."""

from __future__ import annotations

import json
import logging
import time
from datetime import UTC, datetime
from uuid import UUID

from psycopg2.extensions import connection as Connection

from backup import events
from backup.apply import RunIdentity
from backup.config import BackupSettings
from backup.events import Event
from backup.own_runs import OwnRun, OwnRuns, require_ours
from backup.session import Session
from backup.shadows import Shadows
from backup.state import read_json, write_atomically
from mirror import holder
from mirror.catalog import State
from mirror.catalog_install import VERSION, install
from mirror.errors import TargetTaken

WENT_BACK, REFUSED = "TargetWentBack", "OtherRefused"
REFUSED_FILE = "refused.json"
TOLD_AGAIN_SECONDS = 24 * 3600.0
# In place of a token where there is none: nothing of the source, or what an older program wrote.
NO_TOKEN = UUID(int=0)

log = logging.getLogger(__name__)


def known_state(
    settings: BackupSettings, connection: Connection, identity: RunIdentity, session: Session, runs: OwnRuns
) -> State | None:
    """The source as the target has it; the catalog is made at the first run, and an older one brought up to date.

    Only the holder does that: for others, nothing changes in a target that they may not write to. Raises TargetTaken.
    """
    state = session.read_state(connection, identity.source, all_of_it=identity.kind == "full")
    try:
        holder.require(state, identity.source, identity.installation)
        require_ours(runs, state, identity.source, settings.notes_dir)
    except TargetTaken:
        holder.note_refused(connection, identity.source)
        raise
    if state is None or state.catalog_version < VERSION:
        before, now = install(connection)
        if 0 < before < now:
            log.info("The target's catalog was version %d, and is %d now", before, now)
    _settle(settings, state, runs)
    if state is not None and state.refused is not None and state.refused_at is not None:
        _tell_refused(settings, state.refused, state.refused_at)
    return state


def _settle(settings: BackupSettings, state: State | None, runs: OwnRuns) -> None:
    """Brings what is remembered in line with where the target stands, and tells what is gone. Raises StateError."""
    number, token = (state.last_run, state.token or NO_TOKEN) if state else (0, NO_TOKEN)
    begun = runs.begun
    if begun is not None and begun.token == token:
        log.info("Run %d came through, although the answer was lost: what was sent is the local copy now", number)
    elif begun is not None:
        Shadows(settings.state_dir).drop(begun.token)
    gone = runs.beyond(number)
    if gone:
        _tell_gone(settings, number, gone)
    if state is not None or gone:
        runs.end(number, token)


def _tell_gone(settings: BackupSettings, number: int, gone: tuple[OwnRun, ...]) -> None:
    """Once: what is told is remembered as where the target stands."""
    has = f"is at run {number}" if number else f"has nothing of the source {settings.source_name}"
    first, last = gone[0], gone[-1]
    since = f" of {_time(first.at)}" if first.number == number + 1 else ""
    points = f"restore point {last.number} of {_time(last.at)} is"
    if last.number > number + 1:
        points = f"restore points {number + 1}{since} to {last.number} of {_time(last.at)} are"
    what = f"the target went back in time: it {has}, and run {last.number} was mirrored; {points} gone from it"
    hint = (
        "nothing to do: what the bot has now is mirrored again. Was a backup of the target put back? Then only the target's "
        "newer state, if somebody kept it, has these points. If the settings lead to another target, the former one has them"
    )
    _tell(settings, WENT_BACK, what, hint)


def _tell_refused(settings: BackupSettings, host: str, at: float) -> None:
    """Once a day for each host, as long as it tries."""
    told = read_json(settings.state_dir / REFUSED_FILE)
    if told.get("at") == at or (told.get("host") == host and time.time() - told.get("told", 0) < TOLD_AGAIN_SECONDS):
        return
    write_atomically(settings.state_dir / REFUSED_FILE, json.dumps({"host": host, "at": at, "told": time.time()}))
    what = f"another sidecar, on {host}, wanted to write this mirror too, and was refused at {_time(at)}"
    hint = (
        "stop it there, or give its bot another SOURCE_NAME (a copy of this machine: with volumes/state emptied); if it is "
        "the one that is to write: ./sidemirror take-over, there"
    )
    _tell(settings, REFUSED, what, hint)


def _tell(settings: BackupSettings, kind: str, what: str, hint: str) -> None:
    """In the log, and as an event that lasts."""
    log.warning("%s\n  Try: %s", what, hint)
    events.append(settings.state_dir, Event(_now(), kind, settings.source_name, what, hint))


def _now() -> str:
    """No two the same: what is told since then is told by this."""
    return datetime.now(UTC).isoformat()


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
