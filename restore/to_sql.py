"""restore --to-sql: databases of a restore point as SQL, one file each, read back and compared before they are there."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC
from pathlib import Path
from tempfile import mkdtemp

from mirror.errors import NotVerified, RestoreError
from mirror.inspection import header_journal_mode, inspect
from mirror.settings import Settings
from mirror.target import connected
from restore.choose import apart
from restore.explain import explained
from restore.plan import DatabaseStep, Plan
from restore.request import Request, plan_for, stage
from restore.sql_dump import statements


@dataclass(frozen=True)
class Dumped:
    """The plan, and which file has which database; documents are in none."""

    plan: Plan
    files: tuple[tuple[Path, DatabaseStep], ...]


def to_sql(settings: Settings, request: Request, file: Path) -> Dumped:
    """Writes the dumps, and changes nothing else: one database to `file`, several beside it, named after file and database.

    Raises RestoreError when a file is there already, NotVerified, and what `restore` raises; then no file is there that was
    not before.
    """
    with explained(), _scratch(file.parent) as scratch:
        with connected(settings) as connection:
            plan = apart(plan_for(connection, settings, request, scratch, scratch))
            named = _names(file, plan)
            staged = {str(step.destination): scratch / f"{number}.db" for number, step in enumerate(plan.databases)}
            stage(connection, replace(plan, documents=()), staged)
        dumps = [_dump(plan, step, staged[str(step.destination)]) for step in plan.databases]
        for dump, (path, _) in zip(dumps, named, strict=True):
            dump.rename(path)
    return Dumped(plan, tuple(named))


@contextmanager
def _scratch(folder: Path) -> Iterator[Path]:
    scratch = Path(mkdtemp(prefix=".to-sql-", dir=folder))
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _names(file: Path, plan: Plan) -> list[tuple[Path, DatabaseStep]]:
    """dump.sql for one database; dump.premium_system.db.sql and so on for several."""
    if not plan.databases:
        raise RestoreError(
            "there is no database in what is asked for", "documents are files: write them with --into FOLDER"
        )
    if len(plan.databases) == 1:
        named = [(file, plan.databases[0])]
    else:
        named = [
            (file.with_name(f"{file.stem}.{step.database.file.replace('/', '_')}{file.suffix}"), step)
            for step in plan.databases
        ]
    for path, _ in named:
        if path.exists() or len([other for other, _ in named if other == path]) > 1:
            raise RestoreError(f"{path} is there already", "give --to-sql the name of a new file")
    return named


def _dump(plan: Plan, step: DatabaseStep, database: Path) -> Path:
    """Writes the dump of a staged database, makes a database of it at the same time, and compares. Raises NotVerified."""
    dump, again = database.with_suffix(".sql"), database.with_suffix(".again")
    again.touch()  # SQLite makes it with the first statement, and there may be none
    made = f", made {plan.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if plan.at else ""
    with (
        dump.open("w", encoding="utf-8", newline="") as file,
        closing(sqlite3.connect(again, isolation_level=None)) as reader,
    ):
        reader.execute("PRAGMA synchronous = OFF")
        file.write(f"-- {_one_line(step.database.file)} of {plan.source}, restore point {plan.run}{made}.\n")
        file.write("-- To read it into a new file: sqlite3 NEW.db < THIS\n")
        for statement in statements(database):
            file.writelines(statement.pieces())
            file.write("\n")
            statement.run(reader)
        file.flush()
        os.fsync(file.fileno())
    if inspect(again, header_journal_mode(again)).content_hash != step.database.content_hash:
        raise NotVerified(
            f"the SQL of {step.database.file} would not make what was mirrored",
            "please report this; --into FOLDER writes the database itself",
        )
    again.unlink()
    return dump


def _one_line(name: str) -> str:
    return "".join(character if character.isprintable() else "?" for character in name)
