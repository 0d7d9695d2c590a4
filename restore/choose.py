"""Only a part of a plan: databases, documents, and tables of databases, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mirror.catalog import CatalogDatabase
from mirror.errors import NoBackup, RestoreError
from mirror.part import part_of, shadow_tables
from restore.plan import DatabaseStep, Plan, TablesStep


def only(plan: Plan, names: tuple[str, ...]) -> Plan:
    """The plan for what these names say; all of it for no names.

    A name is a database or a document (by file; without its ending, and without its folder, where only one is meant by
    that), or a table as database.table. Raises NoBackup, listing what there is, for a name that the restore point does not
    have or that two files have, and RestoreError for one that cannot be restored by itself.
    """
    if not names:
        return plan
    there = [step.database.file for step in plan.databases] + [step.document.file for step in plan.documents]
    meant = {name: _meant(name, there) for name in names}
    files = {file for found in meant.values() for file in found}
    databases = tuple(step for step in plan.databases if step.database.file in files)
    documents = tuple(step for step in plan.documents if step.document.file in files)
    chosen: dict[str, tuple[str, ...]] = {}
    for name in names:
        if meant[name]:
            continue
        step, table = _table(plan, name)
        if step not in databases:
            chosen[step.database.file] = chosen.get(step.database.file, ()) + _whole(plan, step.database, table)
    tables = tuple(
        TablesStep(step.database, step.destination, tuple(dict.fromkeys(chosen[step.database.file])))
        for step in plan.databases
        if step.database.file in chosen
    )
    return replace(plan, databases=databases, documents=documents, tables=tables)


def apart(plan: Plan) -> Plan:
    """The same plan for a place where no files are: of a database only the chosen tables are made."""
    parts = tuple(DatabaseStep(part_of(step.database, step.names), step.destination) for step in plan.tables)
    return replace(plan, databases=plan.databases + parts, tables=())


def _meant(name: str, there: list[str]) -> tuple[str, ...]:
    """The files of that name: with their folder, or else the one that has it in some folder. Raises NoBackup for several."""
    exact = tuple(file for file in there if name in (file, _stem(file)))
    if exact:
        return exact
    anywhere = tuple(file for file in there if name in (_base(file), _stem(_base(file))))
    if len({file.rpartition("/")[0] for file in anywhere}) > 1:
        raise NoBackup(f"{name} can be each of {', '.join(anywhere)}", f"name it with its folder: --only {anywhere[0]}")
    return anywhere


def _base(file: str) -> str:
    return file.rpartition("/")[2]


def _stem(file: str) -> str:
    return file.rsplit(".", 1)[0]


def _table(plan: Plan, name: str) -> tuple[DatabaseStep, str]:
    """The database and the object that `database.table` names; the longest database name wins."""

    def by(shown: Callable[[str], str]) -> list[tuple[DatabaseStep, str]]:
        return [
            (step, name[len(prefix) + 1 :])
            for step in plan.databases
            for file in (shown(step.database.file),)
            for prefix in (file, _stem(file))
            if name.startswith(f"{prefix}.")
        ]

    found = by(str) or by(_base)
    if len({step.database.file for step, _ in found}) > 1 and not by(str):
        files = ", ".join(sorted({step.database.file for step, _ in found}))
        raise NoBackup(f"{name} can be in each of {files}", "name the database with its folder: folder/database.table")
    if not found:
        there = [step.database.file for step in plan.databases] + [step.document.file for step in plan.documents]
        raise NoBackup(
            f"restore point {plan.run} has no {name}", f"it has {', '.join(there)}; a table is database.table"
        )
    return min(found, key=lambda pair: len(pair[1]))


def _whole(plan: Plan, database: CatalogDatabase, asked: str) -> tuple[str, ...]:
    """The table as it is written, with the shadow tables of a virtual one."""
    rows = [row for row in database.schema_rows if row.type in ("table", "view")]
    # SQLite takes names in any case, of ASCII letters at least.
    row = next((row for row in rows if row.name == asked), None) or next(
        (row for row in rows if row.name.lower() == asked.lower()), None
    )
    virtual = shadow_tables(database.schema_rows)
    owner = next((name for name, shadows in virtual.items() if row and row.name in shadows), None)
    if row is None:
        inner = {shadow for shadows in virtual.values() for shadow in shadows}
        there = [r.name for r in rows if r.type == "table" and not r.name.startswith("sqlite_") and r.name not in inner]
        raise NoBackup(
            f"{database.file} has no table {asked} at restore point {plan.run}",
            f"it has {', '.join(sorted(there)) or 'none at all'}",
        )
    if row.type == "view":
        raise RestoreError(f"{row.name} of {database.file} is a view: it has no rows", "name the tables that it reads")
    if owner:
        raise RestoreError(
            f"{row.name} is a part of the virtual table {owner} of {database.file}",
            f"restore the whole of it: --only {_stem(database.file)}.{owner}",
        )
    if row.name.startswith("sqlite_"):
        raise RestoreError(
            f"{row.name} of {database.file} is SQLite's own", "name the tables that are meant: counters come with them"
        )
    return (row.name, *virtual.get(row.name, ()))
