"""Single tables into the file that is there: one SQLite transaction, and nothing of it without proof.

No trigger fires. Before anything is committed the tables have the content that was mirrored, SQLite's own check of them
finds nothing, and no foreign key leads nowhere that did not before. Killed at any moment, the file is the old one or the
new one: that is SQLite's own journal (https://www.sqlite.org/atomiccommit.html).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from mirror import safe_files
from mirror.errors import NotVerified, RestoreError, SourceLive, SourceUnreadable, SourceUnsupported
from mirror.expressions import register
from mirror.lines import table_content
from mirror.names import quote_sqlite
from mirror.part import SEQUENCE
from mirror.safe_files import SIDE_FILES
from mirror.schema import Schema, SchemaRow, Table, read_schema
from mirror.schema_rebuild import write_schema_rows
from mirror.super_journal import require_decided
from mirror.temp_files import spill_beside
from restore import foreign_keys, swap
from restore.plan import TablesStep
from restore.same_shape import require_same_shape

_WAIT_SECONDS = 2.0
_MOST_COLUMNS = 1999  # and the rowid: a result has at most 2,000 (https://www.sqlite.org/limits.html)


@contextmanager
def opened(step: TablesStep, scratch: Path) -> Iterator[sqlite3.Connection]:
    """The file that is there, in a transaction that sees it as it is, with `scratch` attached as `then`.

    Left without a commit it is as it was. Raises RestoreError when there is no such file or SQLite cannot read it,
    SourceLive when somebody has it open.
    """
    path = step.destination
    if not path.exists():
        raise RestoreError(
            f"{step.database.file} is not there, so no table can be put into it",
            f"restore the whole file: --only {step.database.file}",
        )
    try:
        safe_files.require_files(safe_files.with_side_files(path))
    except safe_files.Refused as error:
        raise RestoreError(
            f"no table can be put into {step.database.file}: {error.strerror}",
            "find out who laid that there, and remove it",
        ) from error
    _require_decided(step)
    with closing(sqlite3.connect(_uri(path, "mode=rw"), uri=True, isolation_level=None, timeout=_WAIT_SECONDS)) as file:
        file.setconfig(sqlite3.SQLITE_DBCONFIG_ENABLE_TRIGGER, False)  # type: ignore[attr-defined]
        try:
            for statement in (
                "PRAGMA foreign_keys = OFF",
                "PRAGMA ignore_check_constraints = ON",
                "PRAGMA synchronous = FULL",
            ):
                file.execute(statement)
            spill_beside(file, scratch)
            file.execute(f'ATTACH {_text(_uri(scratch, "mode=ro&immutable=1"))} AS "then"')
            # Not yet a writing one, beside which SQLite makes no copy. It becomes one only if nobody else has written since.
            file.execute("BEGIN")
            file.execute("SELECT count(*) FROM main.sqlite_schema").fetchone()
        except sqlite3.Error as error:
            raise _explained(error, step) from error
        try:
            yield file
        finally:
            if file.in_transaction:
                file.rollback()


def _require_decided(step: TablesStep) -> None:
    """Raises RestoreError for a file that SQLite would open here with what was never committed in it."""
    try:
        undecided = require_decided(step.destination)
    except SourceUnreadable as error:
        raise RestoreError(error.what, error.hint) from error
    if undecided:
        raise RestoreError(
            f"{step.database.file} was left in the middle of a commit over several databases",
            "start the bot once, so that SQLite takes it back, and stop it; or restore the whole file",
        )


@dataclass(frozen=True)
class Part:
    """What is to be done to one file: the rows stand in `scratch`, and the file as it is goes to `kept`."""

    step: TablesStep
    scratch: Path
    kept: Path


@contextmanager
def all_put(parts: Sequence[Part], allow_violations: bool) -> Iterator[Callable[[], None]]:
    """Everything done and proved in each file, and nothing committed; gives the function that commits.

    Raises RestoreError, SourceLive, NotVerified; then every file is as it was, and no copy is kept.
    """
    with ExitStack() as stack:
        files = []
        try:
            for part in parts:
                file = stack.enter_context(opened(part.step, part.scratch))
                files.append((file, part.step))
                keep_copy(file, part.step.destination, part.kept)
                put(file, part.step, allow_violations)
            yield lambda: _commit(files)
        except BaseException:
            for (file, _), part in zip(files, parts, strict=False):
                if file.in_transaction:
                    part.kept.unlink(missing_ok=True)
            raise


def _commit(files: list[tuple[sqlite3.Connection, TablesStep]]) -> None:
    for file, step in files:
        try:
            file.execute("COMMIT")
        except sqlite3.Error as error:
            raise _explained(error, step) from error


def put(file: sqlite3.Connection, step: TablesStep, allow_violations: bool) -> None:
    """Gives the tables the rows of the restore point, proved and not committed. Raises RestoreError, NotVerified."""
    try:
        schema = read_schema(file, "delete")
        before = foreign_keys.violations(file, schema)
        missing = tuple(name for name in step.names if not _there(schema, name))
        for name in step.names:
            if name not in missing:
                require_same_shape(step, schema, name)
        created = tuple(row for row in step.database.schema_rows if row.tbl_name in missing)
        _create(file, step, tuple(row for row in created if row.type == "table"))
        schema = read_schema(file, "delete")
        tables = [table for name in step.names if (table := schema.table(name))]
        for table in tables:
            _copy_rows(file, step, table)
            _carry_counter(file, table.name)
        _create(file, step, tuple(row for row in created if row.type in ("index", "trigger")))
        _verify(file, step, schema.pragmas.encoding, tables)
        if not allow_violations:
            foreign_keys.refuse_new(file, step, schema, before)
    except sqlite3.Error as error:
        raise _explained(error, step) from error


def keep_copy(file: sqlite3.Connection, destination: Path, kept: Path) -> None:
    """The file as it is, its side files taken in, under another name; durable, and of the same mode."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    unfinished = kept.with_name(f"{kept.name}.copying")
    unfinished.unlink(missing_ok=True)
    # By SQLite: a file that this process opens and closes itself would lose SQLite's locks on it (howtocorrupt.html, 2.2).
    with closing(sqlite3.connect(unfinished)) as copy:
        copy.execute("PRAGMA synchronous = OFF")
        file.backup(copy)
    for suffix in SIDE_FILES:
        Path(f"{unfinished}{suffix}").unlink(missing_ok=True)
    unfinished.chmod(destination.stat().st_mode & 0o7777)
    swap.sync(unfinished)
    unfinished.rename(kept)
    swap.sync(kept.parent)


def _there(schema: Schema, name: str) -> bool:
    return any(row.name.lower() == name.lower() and row.type in ("table", "view") for row in schema.rows)


def _create(file: sqlite3.Connection, step: TablesStep, rows: tuple[SchemaRow, ...]) -> None:
    """Makes what is missing, as it was at the restore point."""
    try:
        write_schema_rows(file, rows)
    except SourceUnsupported as error:
        raise RestoreError(
            f"{step.database.file} cannot take back what it has lost: {error.what}", f"{_NOTHING}; {_instead(step)}"
        ) from error


def _copy_rows(file: sqlite3.Connection, step: TablesStep, table: Table) -> None:
    names = [quote_sqlite(column.name) for column in table.stored_columns]
    if table.rowid_visible:
        names.append(str(table.rowid_alias))
    if len(names) > _MOST_COLUMNS:
        raise RestoreError(
            f"{table.name} of {step.database.file} has too many columns to be restored by itself", _instead(step)
        )
    columns, name = ", ".join(names), quote_sqlite(table.name)
    file.execute(f"DELETE FROM main.{name}")
    # OR ABORT, or a constraint that is declared ON CONFLICT IGNORE would leave rows out.
    file.execute(f'INSERT OR ABORT INTO main.{name} ({columns}) SELECT {columns} FROM "then".{name}')


def _carry_counter(file: sqlite3.Connection, table: str) -> None:
    """AUTOINCREMENT never gives an id twice: of the two counters, now and then, the higher one holds."""
    counters = {}
    for schema in ("main", "then"):
        if file.execute(f'SELECT 1 FROM "{schema}".sqlite_schema WHERE name = ?', (SEQUENCE,)).fetchone():
            query = f'SELECT seq FROM "{schema}".{SEQUENCE} WHERE name = ?'
            counters[schema] = [value for (value,) in file.execute(query, (table,)) if isinstance(value, int)]
    was = max(counters.get("then", []), default=None)
    if was is None or "main" not in counters:
        return
    if not counters["main"]:
        file.execute(f"INSERT INTO main.{SEQUENCE} (name, seq) VALUES (?, ?)", (table, was))
    elif was > max(counters["main"]):
        file.execute(f"UPDATE main.{SEQUENCE} SET seq = ? WHERE name = ?", (was, table))


def _verify(file: sqlite3.Connection, step: TablesStep, encoding: str, tables: list[Table]) -> None:
    for table in tables:
        problems = file.execute(f"PRAGMA main.integrity_check({quote_sqlite(table.name)})").fetchall()
        if problems != [("ok",)]:
            raise NotVerified(
                f"{step.database.file} was not changed: with {table.name} restored, SQLite's integrity check says: "
                f"{problems[0][0]}",
                f"{_NOTHING}; the file itself may be damaged: {_instead(step)}",
            )
    register(file, encoding)
    file.text_factory = bytes
    for table in tables:
        expected = step.database.table(table.name)
        if expected is None or table_content(file, "main", table, encoding) != expected.content:
            raise NotVerified(
                f"{step.database.file} was not changed: {table.name} would not be what was mirrored",
                f"{_NOTHING}; are its columns computed in another way now? {_instead(step)}",
            )
    file.text_factory = str


_NOTHING = "nothing was changed"


def _instead(step: TablesStep) -> str:
    return f"restore the whole file (--only {step.database.file}), or look at it elsewhere (--into FOLDER)"


def _explained(error: sqlite3.Error, step: TablesStep) -> RestoreError:
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    file = step.database.file
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return SourceLive(
            f"the bot is running: it has {file} open", "stop it, and then restore again: docker compose stop bot"
        )
    if code == sqlite3.SQLITE_CONSTRAINT:
        return RestoreError(
            f"the rows of the restore point break a rule that {file} has now: {error}", f"{_NOTHING}; {_instead(step)}"
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return RestoreError(
            f"{file} is damaged ({error}), so no table can be put into it",
            f"restore the whole file: --only {file}",
        )
    if code == sqlite3.SQLITE_FULL:
        return RestoreError(f"there is no room on the disk to restore into {file}", f"{_NOTHING}; make room")
    if "same text encoding" in str(error):
        return RestoreError(f"{file} has another text encoding than at the restore point", _instead(step))
    return RestoreError(f"SQLite cannot restore into {file}: {error}", f"{_NOTHING}; {_instead(step)}")


def _uri(path: Path, options: str) -> str:
    return f"file:{quote(str(path))}?{options}"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
