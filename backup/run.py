"""One run: look at the source, copy what was written to, compare, apply, remember. Read `run` first."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID, uuid4

from psycopg2.extensions import connection as Connection

from backup import documents, guard, snapshot, source
from backup.apply import RunIdentity, apply
from backup.changes import ChangeSet, Counts, DatabaseChange, DocumentChange, Pending, Refusal, TableChange
from backup.compare import compare
from backup.config import BackupSettings
from backup.full_check import ShadowDiffers, check_carried_content
from backup.pair import Pair
from backup.shadows import Shadows
from backup.signature import signature
from backup.state import installation, read_json, run_lock, write_atomically
from backup.thin import thin
from mirror import catalog, holder
from mirror.catalog import CatalogDatabase, State
from mirror.content import TableContent
from mirror.errors import SourceError, SourceUnsupported
from mirror.schema import Schema, read_schema, require_restorable, schema_without_data
from mirror.target import connected

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Report:
    """What a run came to. `run` is the restore point that source and target are equal at; None before the first."""

    run: int | None
    committed: bool
    kind: str
    looked_at: datetime  # the source is equal to the target as of this instant, unless something was refused
    seconds: float
    counts: Counts
    refusals: tuple[Refusal, ...]
    target_bytes: int  # pg_database_size before the run; 0 before the first


@dataclass
class _Work:
    """What the stages of one run hand on to each other."""

    settings: BackupSettings
    identity: RunIdentity
    connection: Connection
    state: State | None
    shadows: Shadows
    accepted: frozenset[str]
    open: ExitStack
    databases: list[DatabaseChange] = field(default_factory=list)
    documents: list[DocumentChange] = field(default_factory=list)
    removed: list[CatalogDatabase] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    committed: bool = False

    @property
    def full(self) -> bool:
        return self.identity.kind == "full"


_Compared = tuple[CatalogDatabase | None, Pair, tuple[TableChange, ...], dict[str, TableContent]]


def run(settings: BackupSettings, kind: str) -> Report:
    """One pass over the source. `kind`: "run" skips databases that were not written to, "full" looks at all of them.

    A database or document that cannot be mirrored is a refusal in the report, and the others go on. Raises
    RunInProgress, StateError, SourceMissing (a whole folder), SourceUnreadable and every TargetError.
    """
    began = time.monotonic()
    with run_lock(settings.state_dir), connected(settings) as connection, ExitStack() as stack:
        looked_at = datetime.now(UTC)
        identity = RunIdentity(settings.source_name, installation(settings.state_dir), uuid4(), kind, looked_at)
        files = source.find(settings.sqlite_dir, settings.json_dir, settings.json_glob)
        state = _known_state(connection, identity)
        work = _Work(
            settings,
            identity,
            connection,
            state,
            Shadows(settings.state_dir),
            _accepted(settings.state_dir),
            stack,
        )
        _refuse_unnameable(work, files.unnameable)
        _look_at_databases(work, files.databases)
        _look_at_documents(work, files.documents)
        changes = ChangeSet(tuple(work.databases), tuple(work.removed), tuple(work.documents))
        counts = Counts()
        if not changes.empty:
            counts = apply(connection, state, identity, changes, lambda: _make_durable(work))
        elif state:
            catalog.require_private(connection)
        work.committed = True
        _remember(work, files.databases)
        if work.full:
            thin(connection, settings.source_name, settings.retention, looked_at)
    last_run = (state.last_run if state else 0) + (not changes.empty)
    return Report(
        run=last_run or None,
        committed=not changes.empty,
        kind=kind,
        looked_at=looked_at,
        seconds=time.monotonic() - began,
        counts=counts,
        refusals=tuple(work.refusals),
        target_bytes=state.target_bytes if state else 0,
    )


def _known_state(connection: Connection, identity: RunIdentity) -> State | None:
    """The source as the target knows it; the catalog is made at the first run."""
    state = catalog.read_state(connection, identity.source)
    if state is None:
        catalog.install(connection)
    holder.require(state, identity.source, identity.installation)
    return state


def _look_at_databases(work: _Work, files: tuple[str, ...]) -> None:
    remembered = read_json(work.settings.state_dir / "signatures.json")
    for file in files:
        known = work.state.database(file) if work.state else None
        seen = signature(work.settings.sqlite_dir / file)
        if not work.full and known and remembered.get(file) == [seen, str(known.token)] and work.shadows.has(known):
            continue
        try:
            _look_at_database(work, file, known, seen)
        except SourceError as error:
            work.refusals.append(Refusal(file, _naming(file, error)))
    for known in work.state.databases if work.state else ():
        if known.file in work.accepted and known.file not in files:
            work.removed.append(known)
        elif known.file not in files:
            work.refusals.append(Refusal(known.file, guard.missing(known.file)))


def _refuse_unnameable(work: _Work, files: tuple[str, ...]) -> None:
    for file in files:
        error = SourceUnsupported(
            f"the name of {file} is not UTF-8, so Postgres cannot hold it",
            "give the file another name; all others go on",
        )
        work.refusals.append(Refusal(file, error))


def _naming(file: str, error: SourceError) -> SourceError:
    """The error with the file's name in it: what is deep in a database knows the table only."""
    if Path(file).name in error.what:
        return error
    return type(error)(f"{file}: {error.what}", error.hint)


def _look_at_database(work: _Work, file: str, known: CatalogDatabase | None, seen: str) -> None:
    path = work.shadows.path(file, work.identity.token)
    work.open.callback(_forget_unless_kept, work, path)
    copy = snapshot.take(work.settings.sqlite_dir / file, path, work.full)
    try:
        schema = _schema_of(copy)
        if known is None and not schema.rows:
            return  # a file that the bot has made and not written to yet
        if known is None or known.schema_rows != schema.rows:
            require_restorable(schema)
        known, pair, tables, unchanged = _compared(work, path, schema, known)
    except sqlite3.Error as error:
        raise snapshot.explain(error, file) from error
    guard.check(file, tables, None if file in work.accepted else work.settings.guard_shrink)
    if known is not None and not tables and known.describes(schema, copy.mode):
        work.pending.append(Pending(file, work.shadows.path(file, known.token), seen))
        return
    work.databases.append(DatabaseChange(file, known, schema, copy.mode, tables, unchanged, pair))
    work.pending.append(Pending(file, path, seen))


def _compared(work: _Work, path: Path, schema: Schema, known: CatalogDatabase | None) -> _Compared:
    """The snapshot beside its shadow. A shadow that is lost or damaged is made again: the snapshot has just been checked."""
    if known is not None and work.shadows.has(known):
        try:
            return _compared_with_shadow(work, path, schema, known)
        except (sqlite3.Error, ShadowDiffers) as error:
            log.warning("the shadow of %s is damaged (%s); it is made again from the target", known.file, error)
            work.shadows.forget(known)
    if known is not None:
        known = work.shadows.rebuild(work.connection, known, work.state.last_run if work.state else 0)
    return _compared_with_shadow(work, path, schema, known)


def _compared_with_shadow(work: _Work, path: Path, schema: Schema, known: CatalogDatabase | None) -> _Compared:
    shadow = work.shadows.path(known.file, known.token) if known else None
    shadow_schema = schema_without_data(known.schema_rows, known.pragmas) if known else None
    pair = Pair(path, schema, shadow, shadow_schema)
    work.open.callback(pair.close)
    tables, unchanged = compare(pair, known)
    if work.full:
        check_carried_content(pair, tables, unchanged)
    return known, pair, tables, unchanged


def _schema_of(copy: snapshot.Snapshot) -> Schema:
    connection = sqlite3.connect(f"{copy.path.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        return read_schema(connection, copy.journal_mode)
    finally:
        connection.close()


def _look_at_documents(work: _Work, files: tuple[str, ...]) -> None:
    known_documents = {document.file: document for document in (work.state.documents if work.state else ())}
    for file in files:
        known = known_documents.pop(file, None)
        try:
            document = documents.read(work.settings.json_dir, file)
        except SourceError as error:
            work.refusals.append(Refusal(file, error))
            continue
        if known is None or (known.sha256, known.mode) != (document.sha256, document.mode):
            work.documents.append(DocumentChange(file, known, document))
    for file, known in known_documents.items():
        if file in work.accepted:
            work.documents.append(DocumentChange(file, known, None))
        else:
            work.refusals.append(Refusal(file, guard.missing(file)))


def _make_durable(work: _Work) -> None:
    """The copies must outlive a power cut before the target says that it has what is in them."""
    for pending in work.pending:
        snapshot.synced(pending.path)


def _forget_unless_kept(work: _Work, path: Path) -> None:
    if not work.committed or path not in {pending.path for pending in work.pending}:
        snapshot.remove(path)


def _remember(work: _Work, files: tuple[str, ...]) -> None:
    """After the commit: the copies are the shadows now, and what they were copied from need not be opened again."""
    folder = work.settings.state_dir
    remembered = {file: seen for file, seen in read_json(folder / "signatures.json").items() if file in files}
    for pending in work.pending:
        token = UUID(pending.path.stem)
        work.shadows.keep_only(pending.file, token)
        remembered[pending.file] = [pending.signature, str(token)]
    write_atomically(folder / "signatures.json", json.dumps(remembered))
    if work.accepted:
        (folder / "accepted.json").unlink(missing_ok=True)


def _accepted(state_dir: Path) -> frozenset[str]:
    return frozenset(read_json(state_dir / "accepted.json").get("files", []))
