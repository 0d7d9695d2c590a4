"""What a restore will do, before it does anything: from which restore point, to which files."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from mirror.catalog import CatalogDatabase, CatalogDocument, State
from mirror.errors import NoBackup
from mirror.plain_text import shown


@dataclass(frozen=True)
class DatabaseStep:
    database: CatalogDatabase
    destination: Path

    @property
    def rows(self) -> int:
        return sum(table.content.rows for table in self.database.tables)


@dataclass(frozen=True)
class TablesStep:
    """Some tables of one database (shadow tables of virtual ones among them), into the file that is there."""

    database: CatalogDatabase
    destination: Path
    names: tuple[str, ...]

    @property
    def rows(self) -> int:
        return sum(table.content.rows for table in self.database.tables if table.mirror.name in self.names)


@dataclass(frozen=True)
class DocumentStep:
    document: CatalogDocument
    destination: Path


@dataclass(frozen=True)
class Plan:
    """`run` is the restore point of `source`, made `at`; the destinations are where each file will stand."""

    source: str
    state: State
    run: int
    at: datetime | None
    databases: tuple[DatabaseStep, ...]
    documents: tuple[DocumentStep, ...]
    tables: tuple[TablesStep, ...] = ()

    @property
    def destinations(self) -> tuple[Path, ...]:
        databases = tuple(step.destination for step in self.databases)
        return databases + tuple(step.destination for step in self.documents)

    @property
    def database_files(self) -> tuple[Path, ...]:
        """Every SQLite file that changes."""
        databases = tuple(step.destination for step in self.databases)
        return databases + tuple(step.destination for step in self.tables)

    @property
    def names(self) -> tuple[str, ...]:
        """Of every file that changes, as the catalog has it."""
        databases = (*(step.database.file for step in self.databases), *(step.database.file for step in self.tables))
        return (*databases, *(step.document.file for step in self.documents))

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        rows = {
            (step.database.file, name): found.content.rows
            for step in self.tables
            for name in step.names
            if (found := step.database.table(name))
        }
        told = [
            (step.database.file, f"{step.rows} rows in {len(step.database.tables)} tables", step.destination)
            for step in self.databases
        ] + [(step.document.file, "document", step.destination) for step in self.documents]
        lines = [(file, f"{what}, {_fate(destination)}") for file, what, destination in told]
        lines += [
            (f"{file}: {name}", f"{count} rows, instead of the table's rows in the file that is there (a copy is kept)")
            for (file, name), count in rows.items()
        ]
        width = max(len(subject) for subject, _ in lines)
        return [shown(f"  {subject:<{width}}  {what}") for subject, what in lines]


def plan(state: State | None, source: str, sqlite_dir: Path, json_dir: Path, at: datetime | None = None) -> Plan:
    """The plan for everything that the state has. Raises NoBackup."""
    if state is None or not (state.databases or state.documents):
        raise NoBackup(
            f"the target has no backup of the source {source}",
            "check SOURCE_NAME and SUPABASE_DB_HOST: this is the place that ./sidemirror status shows when it works",
        )
    return Plan(
        source,
        state,
        state.run,
        at,
        tuple(DatabaseStep(database, sqlite_dir / database.file) for database in state.databases),
        tuple(DocumentStep(document, json_dir / document.file) for document in state.documents),
    )


def _fate(destination: Path) -> str:
    return "replaces the file that is there (kept aside)" if destination.exists() else "new"
