"""Only a part of a plan: databases, documents, and tables of databases, by name."""

from __future__ import annotations

from dataclasses import replace

from mirror.catalog import CatalogDatabase
from mirror.errors import NoBackup, RestoreError
from mirror.part import part_of, shadow_tables
from restore.plan import DatabaseStep, Plan, TablesStep


def only(plan: Plan, names: tuple[str, ...]) -> Plan:
    """The plan for what these names say; all of it for no names.

    A name is a database or a document (by file, or by file without its ending), or a table as database.table. Raises
    NoBackup, listing what there is, for a name that the restore point does not have, and RestoreError for one that cannot be
    restored by itself.
    """
    if not names:
        return plan
    databases = tuple(step for step in plan.databases if _named(step.database.file, names))
    documents = tuple(step for step in plan.documents if _named(step.document.file, names))
    files = [step.database.file for step in databases] + [step.document.file for step in documents]
    chosen: dict[str, tuple[str, ...]] = {}
    for name in names:
        if any(_named(file, (name,)) for file in files):
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


def _named(file: str, names: tuple[str, ...]) -> bool:
    return file in names or _stem(file) in names


def _stem(file: str) -> str:
    return file.rsplit(".", 1)[0]


def _table(plan: Plan, name: str) -> tuple[DatabaseStep, str]:
    """The database and the object that `database.table` names; the longest database name wins."""
    found = [
        (step, name[len(prefix) + 1 :])
        for step in plan.databases
        for prefix in (step.database.file, _stem(step.database.file))
        if name.startswith(f"{prefix}.")
    ]
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
