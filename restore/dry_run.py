"""restore --dry-run: what a restore would change, found by making it aside and comparing; nothing in place is touched."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from tempfile import mkdtemp
from urllib.parse import quote

from mirror import safe_files
from mirror.errors import SourceUnsupported
from mirror.expressions import register
from mirror.inspection import header_journal_mode
from mirror.restored import FOLDER
from mirror.schema import Schema, Table, in_order, read_schema
from mirror.stand_ins import stand_in_for_collations
from mirror.target import connected
from restore import swap
from restore.choose import apart
from restore.config import RestoreSettings
from restore.differences import TableDifference, Text, compare, only_there
from restore.document_differences import DocumentDifference, compare_documents
from restore.explain import explained
from restore.now import private_copy
from restore.place import SCRATCH_PREFIX, journal_of, require_own_folders
from restore.request import Request, plan_for, stage
from restore.same_shape import table_differences


@dataclass(frozen=True)
class DatabaseDifference:
    """One file: whether it is `there`, why it is `unreadable`, and what differs in its `schema`, beside rows."""

    file: str
    there: bool
    unreadable: str | None
    schema: tuple[str, ...]
    tables: tuple[TableDifference, ...]

    @property
    def equal(self) -> bool:
        return self.there and not self.unreadable and not self.schema and all(table.equal for table in self.tables)


@dataclass(frozen=True)
class DryRun:
    """What restoring `run` of `source` (made `at`) would change."""

    source: str
    run: int
    at: datetime | None
    databases: tuple[DatabaseDifference, ...]
    documents: tuple[DocumentDifference, ...]

    @property
    def equal(self) -> bool:
        return all(found.equal for found in self.databases) and all(found.equal for found in self.documents)


def dry_run(settings: RestoreSettings, request: Request, most: int) -> DryRun:
    """Makes all that is asked for in scratch space, verifies it, and compares it with what is there.

    `most`: how many examples of each kind of change. The bot may run. Raises what `restore` raises but SourceLive.
    """
    with explained(), swap.one_at_a_time(journal_of(settings)), _scratch(settings) as scratch:
        with connected(settings) as connection:
            plan = plan_for(connection, settings, request, settings.sqlite_dir, settings.json_dir)
            chosen = {step.database.file: step.names for step in plan.tables}
            made = apart(plan)
            files = {str(path): scratch / "then" / str(number) for number, path in enumerate(made.destinations)}
            stage(connection, made, files)
        databases = tuple(
            _database(
                step.database.file, step.destination, files[str(step.destination)], chosen.get(step.database.file), most
            )
            for step in made.databases
        )
        documents = tuple(
            compare_documents(
                step.document.file,
                _readable(step.destination, settings.json_dir, otherwise=scratch / "nothing"),
                files[str(step.destination)],
                most,
            )
            for step in made.documents
        )
    return DryRun(plan.source, plan.run, plan.at, databases, documents)


@contextmanager
def _scratch(settings: RestoreSettings) -> Iterator[Path]:
    """A folder where there is room for a second copy, taken away afterwards; so is what one that was killed left."""
    require_own_folders(settings)
    root = settings.sqlite_dir / FOLDER
    root.mkdir(exist_ok=True)
    for left in root.glob(f"{SCRATCH_PREFIX}*"):
        shutil.rmtree(left, ignore_errors=True)
    folder = Path(mkdtemp(prefix=SCRATCH_PREFIX, dir=root))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _database(file: str, destination: Path, then: Path, names: tuple[str, ...] | None, most: int) -> DatabaseDifference:
    """`names`: only these tables of it; None for all, and then the rest of the schema counts as well."""
    now = then.with_name(f"{then.name}-now")
    there = destination.exists()
    unreadable = private_copy(destination, now) if there else None
    with closing(sqlite3.connect(_immutable(then), uri=True)) as connection:
        schema = read_schema(connection, header_journal_mode(then))
    try:
        if unreadable:
            raise sqlite3.DatabaseError(unreadable)
        with closing(sqlite3.connect(_immutable(now) if there else ":memory:", uri=True)) as connection:
            if there:
                schema_now = read_schema(connection, header_journal_mode(now))
            else:
                schema_now = replace(schema, rows=(), tables=())
                connection.execute(f"PRAGMA encoding = '{schema.pragmas.encoding}'")
            if schema_now.pragmas.encoding != schema.pragmas.encoding:
                raise sqlite3.DatabaseError(f"its text is encoded in {schema_now.pragmas.encoding}")
            connection.execute(f"ATTACH '{_immutable(then)}' AS \"then\"")
            register(connection, schema.pragmas.encoding)
            stand_in_for_collations(connection)
            connection.text_factory = Text
            if names is not None:
                schema_now = replace(schema_now, tables=tuple(t for t in schema_now.tables if t.name in names))
                schema = replace(schema, tables=tuple(t for t in schema.tables if t.name in names))
            tables = tuple(_tables(connection, schema, schema_now, most))
    except (SourceUnsupported, sqlite3.Error) as error:
        why = error.what if isinstance(error, SourceUnsupported) else str(error)
        return DatabaseDifference(file, there, why, (), _unknown(then, schema, names))
    rest = () if names is not None or not there else tuple(_schema_changes(schema, schema_now))
    return DatabaseDifference(file, there, None, rest, tables)


def _tables(connection: sqlite3.Connection, then: Schema, now: Schema, most: int) -> Iterator[TableDifference]:
    for table in sorted(then.tables, key=lambda table: table.name):
        other = now.table(table.name)
        if other is None:
            yield only_there(connection, "then", table, most, "")
        else:
            yield compare(connection, table, other, most, "; ".join(table_differences(table, other)))
    for table in now.tables:
        if then.table(table.name) is None:
            yield only_there(connection, "main", table, most, "")


def _unknown(then: Path, schema: Schema, names: tuple[str, ...] | None) -> tuple[TableDifference, ...]:
    """The tables of a restore point beside which nothing can be read."""
    with closing(sqlite3.connect(_immutable(then), uri=True)) as connection:
        tables: list[Table] = [table for table in schema.tables if names is None or table.name in names]
        counts = [only_there(connection, "main", table, 0, "") for table in tables]
    return tuple(
        TableDifference(count.name, None, count.now or 0, None, None, None, "it cannot be compared") for count in counts
    )


def _schema_changes(then: Schema, now: Schema) -> Iterator[str]:
    """Everything that comes, goes or becomes another one, beside rows; a table's own SQL among it."""
    was, is_now = ({(row.type, row.name): row for row in in_order(schema.rows)} for schema in (then, now))
    for (kind, name), row in was.items():
        if (kind, name) not in is_now:
            yield f"{kind} {name} comes"
        elif is_now[kind, name] != row:
            yield f"{kind} {name} is declared as it was then"
    yield from (f"{kind} {name} goes" for kind, name in is_now if (kind, name) not in was)
    for name in type(then.pragmas).__dataclass_fields__:
        before, after = getattr(now.pragmas, name), getattr(then.pragmas, name)
        if before != after:
            yield f"{name} becomes {after} (now {before})"


def _immutable(path: Path) -> str:
    return f"file:{quote(str(path))}?mode=ro&immutable=1"


def _readable(path: Path, root: Path, otherwise: Path) -> Path:
    """Where the document really is; `otherwise` for what is no file of the folder: a link that leads away, a FIFO."""
    try:
        real = safe_files.inside(path, root)
    except OSError:
        return otherwise
    return real if safe_files.is_file(real) else otherwise
