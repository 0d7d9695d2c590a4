"""What passes between comparing and applying: frozen descriptions of what changed, without a row in them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from backup.documents import Document
from backup.reshape import Reshape
from backup.wal import Position
from mirror.catalog import CatalogDatabase, CatalogDocument, CatalogTable
from mirror.content import TableContent
from mirror.errors import SidemirrorError
from mirror.mapping import MirrorTable
from mirror.schema import Schema, Table


@dataclass(frozen=True)
class TableCreated:
    """A table that has no mirror of this shape yet: all of its rows are new."""

    table: Table
    mirror: MirrorTable
    rows: int


@dataclass(frozen=True)
class TableChanged:
    """A table whose mirror goes on. `mirror` may have more columns than `known.mirror`."""

    table: Table
    mirror: MirrorTable
    known: CatalogTable
    content: TableContent
    upserts: int
    deletes: int
    number: int  # names the temporary tables that hold its changed rows
    reshape: Reshape | None = None  # its name or its columns are others


@dataclass(frozen=True)
class TableDropped:
    known: CatalogTable


TableChange = TableCreated | TableChanged | TableDropped


class Rows(Protocol):
    """Where the rows of a change set come from when they are sent: snapshot and shadow, nothing of the source itself."""

    def created(self, change: TableCreated) -> Iterator[bytes]:
        """Chunks of whole COPY lines."""

    def content(self, table: Table) -> TableContent:
        """The content of the whole table."""

    def upserts(self, change: TableChanged) -> Iterator[bytes]:
        """Chunks of whole COPY lines."""

    def deletes(self, change: TableChanged) -> Iterator[bytes]:
        """Chunks of whole COPY lines, with the key's fields only."""


@dataclass(frozen=True)
class DatabaseChange:
    """The change set of one database. `known` is None for a database that the target has not seen."""

    file: str
    known: CatalogDatabase | None
    schema: Schema
    mode: int
    tables: tuple[TableChange, ...]
    unchanged: dict[str, TableContent]  # content of the tables that are not in `tables`
    rows: Rows
    meant: frozenset[str] = frozenset()  # tables whose loss of rows a person meant: the guard's memory begins anew


@dataclass(frozen=True)
class DocumentChange:
    """A document to write, or (with `document` None) one that was accepted as gone.

    `base`: the hashes of the pieces of the version that is `known`, if they are known here.
    """

    file: str
    known: CatalogDocument | None
    document: Document | None
    base: bytes = b""


@dataclass(frozen=True)
class Refusal:
    """One database or document that this run could not mirror, and why; all others go on."""

    file: str
    error: SidemirrorError


@dataclass(frozen=True)
class ChangeSet:
    databases: tuple[DatabaseChange, ...]
    removed: tuple[CatalogDatabase, ...]
    documents: tuple[DocumentChange, ...]

    @property
    def empty(self) -> bool:
        return not (self.databases or self.removed or self.documents)


@dataclass(frozen=True)
class Counts:
    """What a run sent: rows, documents, and bytes of statements and COPY data."""

    upserted: int = 0
    deleted: int = 0
    documents: int = 0
    bytes_sent: int = 0


@dataclass(frozen=True)
class Pending:
    """What becomes of a snapshot once the target has what is in it.

    `path` is the shadow then, and `other` (if the two differ in the pages `changed` only) the spare copy.
    """

    file: str
    path: Path
    signature: str
    other: Path | None
    changed: frozenset[int] | None
    position: Position | None  # of the WAL; `path` has everything up to there
