"""What somebody else did to the mirror: found by a full run, remembered until it is repaired, and repaired on request."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from psycopg2 import Binary, sql
from psycopg2.extensions import connection as Connection
from pydantic import TypeAdapter

from backup import documents, drift, snapshot
from backup.apply import RunIdentity, begin
from backup.config import BackupSettings
from backup.pair import Pair
from backup.script import Script
from backup.send_document import send_content
from backup.settle import TableEdits, Truth, settle
from backup.shadows import Shadows, edited
from backup.state import read_as, write_atomically
from mirror.catalog import CatalogDatabase, CatalogDocument, CatalogTable, State
from mirror.errors import EDITED_HINT, SidemirrorError, TargetEdited
from mirror.inspection import inspect
from mirror.lines import Lines
from mirror.mapping import continued
from mirror.schema import Schema, read_schema
from mirror.schema_rebuild import schema_without_data

REMEMBERED = "edited.json"
_WHAT = TypeAdapter(dict[str, str])


@dataclass(frozen=True)
class Target:
    """Where and for whom: what every function here needs."""

    settings: BackupSettings
    connection: Connection
    identity: RunIdentity
    state: State
    shadows: Shadows


def known(state_dir: Path) -> dict[str, TargetEdited]:
    """The files whose mirrors were found to be changed, and are not repaired yet."""
    found = read_as(_WHAT, state_dir / REMEMBERED) or {}
    return {file: TargetEdited(what, EDITED_HINT) for file, what in found.items()}


def remember(state_dir: Path, found: dict[str, TargetEdited]) -> None:
    if found or (state_dir / REMEMBERED).exists():
        write_atomically(state_dir / REMEMBERED, json.dumps({file: error.what for file, error in found.items()}))


def check(target: Target) -> dict[str, TargetEdited]:
    """Every file whose mirror is not what was mirrored. What is only conspicuous is compared exactly first."""
    before, found = known(target.settings.state_dir), dict[str, TargetEdited]()
    seen = drift.suspects(target.connection, target.state)
    for database in target.state.databases:
        if database.file in before and not target.shadows.has(database):
            found[database.file] = before[database.file]  # not downloaded again at every run
        elif database.file in seen.doubtful:
            error = _compare(target, database, seen.doubtful[database.file])
            found |= {database.file: error} if error else {}
    drift.checked(target.connection, target.state, seen, found.keys())
    for file in drift.changed_documents(target.connection, target.state):
        found[file] = edited(file, "its bytes are not those of the document")
    return found


def repair(target: Target) -> dict[str, tuple[str, ...]]:
    """Puts every mirror back to what was mirrored, keeping what was found; gives by file what was put right."""
    done: dict[str, tuple[str, ...]] = {}
    for database in target.state.databases:
        done[database.file] = _repair_database(target, database)
    for file in drift.changed_documents(target.connection, target.state):
        done[file] = (_repair_document(target, file),)
    (target.settings.state_dir / REMEMBERED).unlink(missing_ok=True)
    return {file: found for file, found in done.items() if found}


def _compare(target: Target, database: CatalogDatabase, suspects: tuple[drift.Suspect, ...]) -> TargetEdited | None:
    if not _has_good_shadow(target, database):
        try:
            target.shadows.rebuild(target.connection, database, target.state.last_run)
        except TargetEdited as error:
            return error
    with _truths(target, database) as truths, target.connection.cursor() as cursor:
        script = _begun(target, Script(cursor))
        found = [settle(script, target.state, database, s, truths.of(s.table), keep=False) for s in suspects]
        script.roll_back()
    return edited(database.file, "; ".join(str(edits) for edits in found if edits)) if any(found) else None


def _repair_database(target: Target, database: CatalogDatabase) -> tuple[str, ...]:
    exact = _has_good_shadow(target, database)
    with _truths(target, database) as truths, target.connection.cursor() as cursor:
        script = _begun(target, Script(cursor))
        script.flush()
        tables = drift.look(cursor, database)
        if not exact:
            tables = tuple(suspect for suspect in tables if drift.conspicuous(suspect))
        found: list[TableEdits] = [
            settle(script, target.state, database, suspect, truths.of(suspect.table), keep=True) for suspect in tables
        ]
        script.add("SELECT sidemirror.assert_private()")
        script.commit()
    told = [str(edits) for edits in found if edits]
    if not exact and (told or database.file in known(target.settings.state_dir)):
        told += _as_it_is_now(target, database)
    return tuple(told)


def _as_it_is_now(target: Target, database: CatalogDatabase) -> list[str]:
    """Without the local copy nobody can tell what exactly was mirrored: what is there now is recorded in its place."""
    found = target.shadows.rebuild_as_found(target.connection, database, target.state.last_run)
    if found.content_hash == database.content_hash:
        return []
    with target.connection.cursor() as cursor:
        script = _begun(target, Script(cursor))
        run = target.state.last_run
        script.add(
            "INSERT INTO sidemirror.database_states (database_id, run, content_hash) VALUES ({}, {}, {}) "
            "ON CONFLICT (database_id, run) DO UPDATE SET content_hash = excluded.content_hash",
            database.id, run, Binary(found.content_hash),
        )  # fmt: skip
        for table in found.tables:
            script.add(
                "INSERT INTO sidemirror.table_states (table_id, run, row_count, content_hash) VALUES ({}, {}, {}, {}) "
                "ON CONFLICT (table_id, run) DO UPDATE "
                "SET row_count = excluded.row_count, content_hash = excluded.content_hash",
                table.id, run, table.content.rows, table.content.hex,
            )  # fmt: skip
        script.commit()
    return [f"restore point {run} is recorded as it can be had back now; points before it may not be what they were"]


def _repair_document(target: Target, file: str) -> str:
    document = next(document for document in target.state.documents if document.file == file)
    try:
        here = documents.read(documents.reading(target.settings), file, lambda: False)
    except SidemirrorError:
        here = None
    with here or nullcontext():
        return _put_back(target, document, here)


def _put_back(target: Target, document: CatalogDocument, here: documents.Document | None) -> str:
    if here is None or here.sha256 != document.sha256:
        with target.connection.cursor() as cursor:
            script = _begun(target, Script(cursor))
            script.add("DELETE FROM sidemirror.document_states WHERE document_id = {} AND sha256 = {}",
                       document.id, Binary(bytes.fromhex(document.sha256)))  # fmt: skip
            script.commit()
        return (
            "the version that was mirrored last is lost, and off the list; the next run mirrors the document as it is"
        )
    with target.connection.cursor() as cursor:
        script = _begun(target, Script(cursor))
        send_content(script, here, sql.Literal(target.state.source_id))
        script.commit()
    return "its bytes were put back"


def _begun(target: Target, script: Script) -> Script:
    """As a run begins: the holder only, one at a time, and our transaction on the list."""
    begin(script, target.identity, target.state.last_run)
    return script


def _has_good_shadow(target: Target, database: CatalogDatabase) -> bool:
    if not target.shadows.has(database):
        return False
    path = target.shadows.path(database.file, database.token)
    try:
        return inspect(path, database.pragmas.journal_mode).content_hash == database.content_hash
    except (sqlite3.Error, SidemirrorError):
        return False


@dataclass(frozen=True)
class _Truths:
    """Where the rows of a database's tables are known from."""

    pair: Pair | None
    exact: bool

    def of(self, table: CatalogTable) -> Truth:
        here = self.pair.schema.table(table.mirror.name) if self.pair else None
        if self.pair is None or here is None or continued(table.mirror, here) is None:
            return Truth(None, 0, exact=False)
        lines = Lines(self.pair.connection, "main", here, table.mirror, self.pair.encoding)
        return Truth(lines, self.pair.count(here), self.exact)


@contextmanager
def _truths(target: Target, database: CatalogDatabase) -> Iterator[_Truths]:
    """The shadow, which is what was mirrored; where it is lost, the bot's own file as it is now."""
    with ExitStack() as stack:
        if _has_good_shadow(target, database):
            path: Path = target.shadows.path(database.file, database.token)
            schema: Schema | None = schema_without_data(database.schema_rows, database.pragmas)
            exact = True
        else:
            path, exact = target.shadows.path(database.file, target.identity.token), False
            stack.callback(snapshot.remove, path)
            schema = _snapshot(target, database, path)
        pair = Pair(path, schema, None, None) if schema else None
        if pair:
            stack.callback(pair.close)
        yield _Truths(pair, exact)


def _snapshot(target: Target, database: CatalogDatabase, path: Path) -> Schema | None:
    try:
        copy = snapshot.take(target.settings.sqlite_dir / database.file, path, full_check=False)
        connection = sqlite3.connect(f"{copy.path.as_uri()}?mode=ro&immutable=1", uri=True)
        try:
            return read_schema(connection, copy.journal_mode)
        finally:
            connection.close()
    except (SidemirrorError, sqlite3.Error):
        return None
