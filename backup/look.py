"""Looking at the source: each database copied, checked and compared with its shadow, each document read.

What cannot be mirrored becomes a refusal, and the others go on.
"""

from __future__ import annotations

import logging
import sqlite3
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from psycopg2.extensions import connection as Connection

from backup import beside, budget, documents, gone, guard, older_copy, small_document, snapshot, turns
from backup.ahead import Ahead
from backup.apply import RunIdentity
from backup.changes import (
    ChangeSet,
    DatabaseChange,
    DocumentChange,
    Pending,
    Refusal,
    TableChange,
)
from backup.config import BackupSettings
from backup.faults import blamed
from backup.integrity import explain
from backup.locked import require_unlocked
from backup.pair import Pair
from backup.refresh import Base
from backup.session import LastRead, Session
from backup.shadows import Shadows
from backup.signature import read_signatures, signature
from backup.source import SourceFiles
from backup.taken_back import note_of, rows_then, state_then
from backup.too_large import refuse_what_is_too_large
from backup.turns import Turns
from mirror.catalog import CatalogDatabase, CatalogDocument, State
from mirror.errors import GuardHeld, SidemirrorError, SourceError, SourceMissing, TargetEdited
from mirror.findings import Remark
from mirror.schema import Schema, read_schema
from mirror.schema_rebuild import require_restorable

log = logging.getLogger(__name__)


@dataclass
class Work:
    """What the stages of one run hand on to each other."""

    settings: BackupSettings
    identity: RunIdentity
    connection: Connection
    state: State | None
    shadows: Shadows
    accepted: frozenset[str]
    edited: dict[str, TargetEdited]  # files whose mirror somebody else has changed: nothing is mirrored over it
    open: ExitStack
    session: Session
    turns: Turns
    databases: list[DatabaseChange] = field(default_factory=list)
    documents: list[DocumentChange] = field(default_factory=list)
    removed: list[CatalogDatabase] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    refusals: list[Refusal] = field(default_factory=list)
    sent: bool = False  # only the answer to the commit is missing: what was sent may be what the target has
    waiting: list[str] = field(default_factory=list)  # what may be over in a moment, and is no refusal yet
    remarks: dict[str, tuple[Remark, ...]] = field(default_factory=dict)  # of the databases that were checked in full
    committed: bool = False

    @property
    def full(self) -> bool:
        return self.identity.kind == "full"

    def refuse(self, edited: Mapping[str, SidemirrorError]) -> None:
        """Takes these files out of what is to be sent."""
        self.databases = [change for change in self.databases if change.file not in edited]
        self.documents = [change for change in self.documents if change.file not in edited]
        self.removed = [known for known in self.removed if known.file not in edited]
        self.pending = [pending for pending in self.pending if pending.file not in edited]
        self.refusals += [Refusal(file, error) for file, error in edited.items()]

    @property
    def changes(self) -> ChangeSet:
        return ChangeSet(tuple(self.databases), tuple(self.removed), tuple(self.documents))


def look(work: Work, files: SourceFiles) -> None:
    """Fills the work with what changed, what is pending and what was refused. Raises StateError and TargetError."""
    work.refusals += [Refusal(file, error) for file, error in files.refused]
    _look_at_databases(work, files.databases)
    _look_at_documents(work, files.documents)
    _look_for_what_is_gone(work, files)


def _turn(work: Work, kind: str, file: str, seen: str, look_at: Callable[[], None]) -> None:
    """One file's turn. Whatever goes wrong in it is that file's refusal, and the others go on."""
    folder = work.settings.sqlite_dir if kind == "database" else work.settings.json_dir
    if file in work.accepted:
        work.session.aside.forget(file)
    told = work.session.aside.why(file, kind, folder, seen, work.settings.state_dir, work.full)
    if told is not None:
        _put_off(work, file, told)
        return
    work.turns.at(file, turns.limit(turns.size(folder / file)))
    began = time.monotonic()
    try:
        with blamed(file):
            look_at()
    except (SourceError, TargetEdited) as error:
        if isinstance(error, SourceMissing) and gone.may_go(work.settings, file):  # since the folder was read
            work.waiting.append(file)
            return
        work.session.aside.refused(file, kind, seen, error, time.monotonic() - began)
        _put_off(work, file, error)
    else:
        work.session.aside.forget(file)


def _put_off(work: Work, file: str, error: SidemirrorError) -> None:
    if work.session.aside.waits(file):
        work.waiting.append(file)
    else:
        work.refusals.append(Refusal(file, error))


def _look_at_databases(work: Work, files: tuple[str, ...]) -> None:
    remembered = read_signatures(work.settings.state_dir)
    for file in files:
        known = work.state.database(file) if work.state else None
        if file in work.edited:
            work.refusals.append(Refusal(file, work.edited[file]))
            continue
        seen = signature(work.settings.sqlite_dir / file)
        note = remembered.get(file)
        if note is not None and (known is None or note[1] != str(known.token)):
            note = None
        if not work.full and known and note and note[0] == seen and work.shadows.has(known):
            continue
        base = work.shadows.base(known, note[2]) if known and note and not work.full else None
        _turn(work, "database", file, seen, partial(_look_twice, work, file, known, seen, base))


def _look_for_what_is_gone(work: Work, files: SourceFiles) -> None:
    if work.state is None:
        return
    found = gone.sort(work.settings, work.state, files, work.accepted)
    work.removed += found.databases
    work.documents += [DocumentChange(document.file, document, None) for document in found.documents]
    work.refusals += [Refusal(file, error) for file, error in found.refused]


def _look_twice(work: Work, file: str, known: CatalogDatabase | None, seen: str, base: Base | None) -> None:
    """The second time only where what the snapshot was made of turned out to be damaged."""
    try:
        _look_at_database(work, file, known, seen, base)
    except beside.CopyDamaged:
        _look_at_database(work, file, known, seen, None)


def _look_at_database(work: Work, file: str, known: CatalogDatabase | None, seen: str, base: Base | None) -> None:
    if work.session.aside.lasting:  # it is tried again in a moment; others are not kept waiting for it
        require_unlocked(work.settings.sqlite_dir / file)
    path = work.shadows.path(file, work.identity.token)
    work.open.callback(_forget_unless_kept, work, path)
    copy = snapshot.take(work.settings.sqlite_dir / file, path, work.full, base)
    try:
        schema = _schema_of(copy)
        if known is None or known.schema_rows != schema.rows:
            require_restorable(schema)
        found = beside.compared(work.shadows, work.open, copy, schema, known, _rebuilt_from(work), work.full)
        budget.require_made(found.pair, found.tables)
    except sqlite3.Error as error:
        raise explain(error, file) from error
    if copy.remarks is not None:
        work.remarks[file] = copy.remarks
    known, tables = found.known, found.tables
    refuse_what_is_too_large(path, found.pair, tables)
    meant = _guard(work, file, known, found.pair, tables)
    guarded = work.settings.guard_shrink and file not in work.accepted
    if known is not None and guarded and not note_of(work.settings, file, str(known.token)):
        remembered = read_signatures(work.settings.state_dir).get(file)
        if remembered is not None:
            older_copy.check(work.connection, known, found.pair, tables, found.unchanged, (remembered[0], seen))
    old = work.shadows.path(file, known.token) if known else None
    if known is not None and old is not None and not tables and known.describes(schema, copy.mode):
        position = base.position if base and found.changed is not None else None
        work.pending.append(Pending(file, old, seen, path, found.changed, position))
        return
    rows = Ahead(found.pair, tables)
    work.open.callback(rows.close)
    work.databases.append(DatabaseChange(file, known, schema, copy.mode, tables, found.unchanged, rows, meant))
    work.pending.append(Pending(file, path, seen, old, found.changed, copy.position))


def _rebuilt_from(work: Work) -> Callable[[CatalogDatabase], CatalogDatabase]:
    """Makes a shadow again from the target, which takes as long as it takes."""

    def rebuilt(known: CatalogDatabase) -> CatalogDatabase:
        work.turns.at(known.file, None)
        return work.shadows.rebuild(work.connection, known, work.state.last_run if work.state else 0)

    return rebuilt


def _guard(
    work: Work, file: str, known: CatalogDatabase | None, pair: Pair, tables: tuple[TableChange, ...]
) -> frozenset[str]:
    """Raises GuardHeld, unless it is a restore that took the rows away. Gives the tables whose loss of rows is meant."""
    if known is None:
        return frozenset()
    if file in work.accepted:
        return frozenset(table.mirror.name for table in known.tables)
    shrink = work.settings.guard_shrink
    note = note_of(work.settings, file, str(known.token))
    most = work.session.most.of(work.connection, known, tables, shrink)
    try:
        guard.check(file, tables, shrink, most)
    except GuardHeld:
        moved = guard.moved(pair, tables)
        if note is None:
            guard.check(file, tables, shrink, most, moved=moved)
            return frozenset()
        then = state_then(work.connection, work.settings, note)
        point = then.database(file) if then else None
        guard.check(file, tables, shrink, most, rows_then(known, point, note.tables) if point else None, moved)
        whose = f" of {note.source}" if note.source else ""
        log.info("%s was restored to run %d%s, so it may have less than its mirror", file, note.run, whose)
    if note is None:
        return frozenset()
    return frozenset(note.tables if note.tables is not None else (table.mirror.name for table in known.tables))


def _schema_of(copy: snapshot.Snapshot) -> Schema:
    connection = sqlite3.connect(f"{copy.path.as_uri()}?mode=ro&immutable=1", uri=True)
    try:
        return read_schema(connection, copy.journal_mode)
    finally:
        connection.close()


def _look_at_documents(work: Work, files: tuple[str, ...]) -> None:
    known_documents = {document.file: document for document in (work.state.documents if work.state else ())}
    for file in files:
        known = known_documents.get(file)
        if file in work.edited:
            work.refusals.append(Refusal(file, work.edited[file]))
            continue
        seen = documents.signature(work.settings.json_dir / file)
        last = work.session.documents.get(file)
        if known and not work.full and last and last[:3] == (seen, known.sha256, known.mode):
            continue
        _turn(work, "document", file, seen, partial(_look_at_document, work, file, known, seen, last))


def _look_at_document(work: Work, file: str, known: CatalogDocument | None, seen: str, last: LastRead | None) -> None:
    settings = work.settings
    patience = 0.0 if work.session.aside.lasting else documents.HALF_WRITTEN_SECONDS
    was_json = partial(small_document.was_json, work.connection, work.state, known)
    document = documents.read(documents.reading(settings), file, was_json, patience)
    work.open.callback(document.close)
    if known and file not in work.accepted:
        small_document.check(work.connection, settings, known, document, last)
    work.session.documents[file] = LastRead(seen, document.sha256, document.mode, document.size, document.hashes)
    if known is None or (known.sha256, known.mode) != (document.sha256, document.mode):
        base = last.hashes if known and last and last.sha256 == known.sha256 else b""
        work.documents.append(DocumentChange(file, known, document, base))
    else:
        document.close()


def _forget_unless_kept(work: Work, path: Path) -> None:
    if not (work.committed or work.sent) or path not in {pending.path for pending in work.pending}:
        snapshot.remove(path)
