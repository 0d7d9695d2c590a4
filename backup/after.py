"""The target's state after a commit, from what was sent: it need not be asked for what this run has just told it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backup.apply import RunIdentity
from backup.changes import ChangeSet, DatabaseChange, TableChanged
from mirror.catalog import CatalogDatabase, CatalogDocument, State
from mirror.content import TableContent, database_hash

Contents = Mapping[str, Mapping[str, TableContent]]  # by file, then by table


def state_after(state: State | None, identity: RunIdentity, changes: ChangeSet, contents: Contents) -> State | None:
    """None where the target has given something a number that is not known here: then it has to be asked."""
    if state is None or changes.removed or state.token is None:
        return None
    databases = {database.file: database for database in state.databases}
    for change in changes.databases:
        after = _database(change, databases.get(change.file), identity, contents[change.file])
        if after is None:
            return None
        databases[change.file] = after
    documents = {document.file: document for document in state.documents}
    for file, document in ((change.file, change.document) for change in changes.documents):
        if document is None or file not in documents:
            return None
        documents[file] = CatalogDocument(documents[file].id, file, document.sha256, document.mode, document.mtime_ns)
    run = state.last_run + 1
    return replace(
        state,
        last_run=run,
        run=run,
        token=identity.token,
        databases=tuple(databases.values()),
        documents=tuple(documents.values()),
    )


def _database(
    change: DatabaseChange, known: CatalogDatabase | None, identity: RunIdentity, contents: Mapping[str, TableContent]
) -> CatalogDatabase | None:
    if known is None or change.known is None or not known.describes(change.schema, change.mode):
        return None
    if any(not isinstance(one, TableChanged) or one.mirror != one.known.mirror for one in change.tables):
        return None
    return replace(
        known,
        token=identity.token,
        content_hash=database_hash(change.schema, dict(contents)),
        tables=tuple(replace(table, content=contents[table.mirror.name]) for table in known.tables),
    )
