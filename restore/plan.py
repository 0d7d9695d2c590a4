"""What a restore will do, before it does anything: from which restore point, to which files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mirror.catalog import CatalogDatabase, CatalogDocument, State
from mirror.errors import NoBackup, SourceLive
from restore.live import in_use


@dataclass(frozen=True)
class DatabaseStep:
    database: CatalogDatabase
    destination: Path

    @property
    def rows(self) -> int:
        return sum(table.content.rows for table in self.database.tables)


@dataclass(frozen=True)
class DocumentStep:
    document: CatalogDocument
    destination: Path


@dataclass(frozen=True)
class Plan:
    """`run` is the restore point; the destinations are where each file will stand."""

    state: State
    run: int
    databases: tuple[DatabaseStep, ...]
    documents: tuple[DocumentStep, ...]

    @property
    def destinations(self) -> tuple[Path, ...]:
        databases = tuple(step.destination for step in self.databases)
        return databases + tuple(step.destination for step in self.documents)

    def lines(self) -> list[str]:
        """The plan as a person reads it."""
        width = max(len(path.name) for path in self.destinations)
        lines = []
        for step in self.databases:
            what = f"{step.rows} rows in {len(step.database.tables)} tables"
            lines.append(f"  {step.destination.name:<{width}}  {what}, {_fate(step.destination)}")
        for document in self.documents:
            lines.append(f"  {document.destination.name:<{width}}  document, {_fate(document.destination)}")
        return lines


def plan(state: State | None, source: str, sqlite_dir: Path, json_dir: Path) -> Plan:
    """The plan for everything that the state has. Raises NoBackup."""
    if state is None or not (state.databases or state.documents):
        raise NoBackup(
            f"the target has no backup of the source {source}",
            "check SOURCE_NAME and SUPABASE_DB_HOST: this is the place that ./sidemirror status shows when it works",
        )
    return Plan(
        state,
        state.run,
        tuple(DatabaseStep(database, sqlite_dir / database.file) for database in state.databases),
        tuple(DocumentStep(document, json_dir / document.file) for document in state.documents),
    )


def refuse_if_live(plan: Plan) -> None:
    """Raises SourceLive when one of the databases to replace is open in another process."""
    live = [step.destination.name for step in plan.databases if in_use(step.destination)]
    if live:
        raise SourceLive(
            f"the bot is running: it has {', '.join(live)} open",
            "stop it, and then restore again: docker compose stop bot",
        )


def _fate(destination: Path) -> str:
    return "replaces the file that is there (kept aside)" if destination.exists() else "new"
