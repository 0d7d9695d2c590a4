"""One run: look at the source, apply what changed, remember. Read `run` first."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid4

import psycopg2
from psycopg2.extensions import connection as Connection
from pydantic import TypeAdapter

from backup import aside, canary, edits, faults, snapshot, source
from backup.after import state_after
from backup.apply import RunIdentity, apply
from backup.changes import Counts, Refusal
from backup.config import BackupSettings
from backup.known import NO_TOKEN, known_state
from backup.look import Work, look
from backup.session import Session, see
from backup.shadows import Shadows
from backup.signature import SIGNATURES, read_signatures
from backup.state import installation, read_as, run_lock, sweep_unfinished, write_atomically
from backup.turns import Turns
from backup.view.remember import remember
from mirror import catalog
from mirror.catalog import State
from mirror.errors import SidemirrorError, TargetEdited, TargetFull
from mirror.findings import Remark
from mirror.target import explain

_ACCEPTED = TypeAdapter(dict[str, tuple[str, ...]])

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What a run came to. `run` is the restore point that source and target are equal at; None before the first."""

    run: int | None
    committed: bool
    written: bool  # the target took a write, if only the canary
    kind: str
    looked_at: datetime  # the source is equal to the target as of this instant, unless something was refused
    seconds: float
    counts: Counts
    refusals: tuple[Refusal, ...]
    waiting: tuple[str, ...]  # files that were locked or half written just then, and are looked at again in a moment
    remarks: Mapping[str, tuple[Remark, ...]]  # what a full check of a database found, and does no harm; of no other
    files: frozenset[str]  # the databases that there are
    target_bytes: int  # pg_database_size before the run; 0 before the first


def run(settings: BackupSettings, kind: str, token: UUID | None = None, session: Session | None = None) -> Report:
    """One pass over the source. `kind`: "run" and "change" skip databases that were not written to, "full" looks at all.
    `token`: the run's own id; made here when none is given. `session`: what the process keeps from run to run.

    A database or document that cannot be mirrored is a refusal in the report, and the others go on. Raises
    RunInProgress, StateError, SourceMissing (a whole folder), SourceUnreadable and every TargetError.
    """
    if session is None:
        with closing(Session()) as its_own:
            report = run(settings, kind, token, its_own)
            its_own.upkeep.wait()
            return report
    began = time.monotonic()
    seen, session.seen = see(settings), None
    turns = Turns(settings.state_dir)
    with run_lock(settings.state_dir), session.connection.connected(settings) as connection, ExitStack() as stack:
        aside.count(settings.state_dir)
        stack.enter_context(turns.run())
        looked_at = datetime.now(UTC)
        identity = RunIdentity(
            settings.source_name, installation(settings.state_dir), token or uuid4(), kind, looked_at
        )
        files = source.find(settings)
        runs = session.own_runs(settings.state_dir)
        state = known_state(settings, connection, identity, session, runs)
        shadows, accepted = Shadows(settings.state_dir), _accepted(settings.state_dir)
        if kind == "full":
            _sweep(settings.state_dir, shadows, state)
        edited = _edited(settings, connection, identity, state, shadows)
        work = Work(settings, identity, connection, state, shadows, accepted, edited, stack, session, turns)
        look(work, files)
        turns.at("", None)
        with _size_told(settings, state):
            counts = _send(work)
        work.committed = True
        if state is not None or not work.changes.empty:
            runs.end(*_place(work))
        _remember(work, files.databases)
        refused = {refusal.file for refusal in work.refusals} | set(work.waiting)
        aside.came_through(settings.state_dir, {*files.databases, *files.documents} - refused)
        seconds = time.monotonic() - began
        remember(work, counts, seconds)
    session.seen = seen
    session.documents_sent += counts.bytes_sent if work.documents else 0
    if session.upkeep.begin_after(settings, work.full, session.documents_sent):
        session.documents_sent = 0
    return _report(work, files.databases, counts, looked_at, seconds)


@contextmanager
def _size_told(settings: BackupSettings, state: State | None) -> Iterator[None]:
    """A target that is full says how large it is."""
    try:
        yield
    except psycopg2.Error as error:
        told = explain(error, settings)
        if state is None or not isinstance(told, TargetFull):
            raise
        raise TargetFull(f"{told.what} (it holds {state.target_bytes / 1e6:.0f} MB)", told.hint) from None


def _edited(
    settings: BackupSettings, connection: Connection, identity: RunIdentity, state: State | None, shadows: Shadows
) -> dict[str, TargetEdited]:
    """The files whose mirror somebody else has changed; a full run looks for them."""
    if state is None or identity.kind != "full":
        return edits.known(settings.state_dir)
    return edits.check(edits.Target(settings, connection, identity, state, shadows))


def _send(work: Work, careful: bool = False) -> Counts:
    """Sends what changed. When it meets a mirror that is not as it was left, or a file that cannot be sent, that file is
    refused and all others go on."""
    try:
        return _commit(work, careful)
    except Exception as error:
        found = _to_blame(work, error, careful)
        if found is None:
            raise
    work.refuse(found)
    return _send(work, careful=True)


def _to_blame(work: Work, error: Exception, careful: bool) -> Mapping[str, SidemirrorError] | None:
    """The files on account of which nothing could be sent, with what is wrong; empty: it will be seen when it is tried again
    with care. None: it is no file's fault."""
    own = not isinstance(error, psycopg2.Error) and (not isinstance(error, SidemirrorError) or _unforeseen(error))
    if own or (isinstance(error, psycopg2.Error) and _of_what_was_sent(error)):
        _roll_back(work)
        if not careful:
            return {}
        file = work.turns.file
        return {file: faults.fault(file, error)} if file else None
    if isinstance(error, psycopg2.Error) and work.state is not None:
        if error.pgcode != "SM004" and not isinstance(error, psycopg2.ProgrammingError):
            return None
        _roll_back(work)
        found = edits.check(edits.Target(work.settings, work.connection, work.identity, work.state, work.shadows))
        return found if found or (error.pgcode == "SM004" and not careful) else None
    return None


def _unforeseen(error: SidemirrorError) -> bool:
    return type(error) is SidemirrorError


def _of_what_was_sent(error: psycopg2.Error) -> bool:
    """Data that Postgres does not take, more of it (or more tables) than there may be, or what was to be sent could not be
    read (the driver tells the server, and gives what the server says to that)."""
    code = error.pgcode or ""
    unreadable = code == "57014" and "error in .read() call" in str(error)
    return code[:2] in ("21", "22", "23", "54") or code == faults.TOO_MANY_LOCKS or unreadable


def _roll_back(work: Work) -> None:
    with work.connection.cursor() as cursor:
        cursor.execute("ROLLBACK")


def _commit(work: Work, careful: bool) -> Counts:
    """Commits what changed; even when nothing did, the mirror must not be open to others, and must be one to write to.

    `careful`: each file's statements are sent in its own turn, so that it is known whose fault an error is.
    """
    if not work.changes.empty:
        with ThreadPoolExecutor(1) as disk:
            durable = disk.submit(_make_durable, work)
            ready = partial(_all_sent, work, durable.result)
            turn = partial(work.turns.at, seconds=None)
            done = apply(work.connection, work.state, work.identity, work.changes, ready, turn, careful)
        work.session.state = state_after(work.state, work.identity, work.changes, done.contents)
        return done.counts
    if work.state:
        if not work.session.private:
            catalog.require_private(work.connection)
        if work.full:
            work.session.own_runs(work.settings.state_dir).begin(work.state.last_run, work.identity.token)
            canary.sing(work.connection, work.state, work.identity)
            work.session.state = replace(work.state, token=work.identity.token)
    return Counts()


def _report(work: Work, files: tuple[str, ...], counts: Counts, looked_at: datetime, seconds: float) -> Report:
    committed = not work.changes.empty
    last_run = (work.state.last_run if work.state else 0) + committed
    return Report(
        run=last_run or None,
        committed=committed,
        written=committed or (work.full and work.state is not None),
        kind=work.identity.kind,
        looked_at=looked_at,
        seconds=seconds,
        counts=counts,
        refusals=tuple(work.refusals),
        waiting=tuple(work.waiting),
        remarks=work.remarks,
        files=frozenset(files),
        target_bytes=work.state.target_bytes if work.state else 0,
    )


def _place(work: Work) -> tuple[int, UUID]:
    """Where the target stands now that the run came through."""
    state, committed = work.state, not work.changes.empty
    written = committed or (work.full and state is not None)
    token = work.identity.token if written else (state.token if state else None)
    return (state.last_run if state else 0) + committed, token or NO_TOKEN


def _make_durable(work: Work) -> None:
    """The copies, and that this run is ours, must outlive a power cut before the target says that it has them."""
    for pending in work.pending:
        snapshot.synced(pending.path)
    number = (work.state.last_run if work.state else 0) + 1
    work.session.own_runs(work.settings.state_dir).begin(number, work.identity.token)


def _all_sent(work: Work, durable: Callable[[], None]) -> None:
    """Nothing but the commit is missing."""
    durable()
    work.sent = True


def _remember(work: Work, files: tuple[str, ...]) -> None:
    """After the commit: the copies are the shadows now, and what they were copied from need not be opened again."""
    folder = work.settings.state_dir
    remembered = {file: seen for file, seen in read_signatures(folder).items() if file in files}
    for pending in work.pending:
        remembered[pending.file] = (pending.signature, pending.path.stem, work.shadows.keep(pending))
    write_atomically(folder / SIGNATURES, json.dumps(remembered), durable=False)
    edits.remember(folder, {r.file: r.error for r in work.refusals if isinstance(r.error, TargetEdited)})
    if work.accepted:
        (folder / "accepted.json").unlink(missing_ok=True)


def _sweep(folder: Path, shadows: Shadows, state: State | None) -> None:
    """What runs left that were ended in the middle, and what belongs to databases that are gone."""
    noted = [note.get("spare") for _, _, note in read_signatures(folder).values()]
    spares = [str(spare[0]) for spare in noted if isinstance(spare, list) and spare]
    shadows.sweep(state.databases if state else (), spares)
    sweep_unfinished(folder)


def _accepted(state_dir: Path) -> frozenset[str]:
    found = read_as(_ACCEPTED, state_dir / "accepted.json")
    return frozenset(found.get("files", ()) if found else ())
