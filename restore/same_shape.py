"""Can a table take the rows that it had at a restore point? Only with the same columns; a difference is told by name."""

from __future__ import annotations

from mirror.errors import RestoreError
from mirror.schema import Column, Schema, Table
from mirror.schema_rebuild import schema_without_data
from restore.plan import TablesStep


def require_same_shape(step: TablesStep, now: Schema, name: str) -> None:
    """Raises RestoreError, saying what differs, when the table that is there is not made as it was."""
    then = schema_without_data(step.database.schema_rows, step.database.pragmas)
    differences = _differences(then, now, name)
    if differences:
        raise RestoreError(
            f"{name} of {step.database.file} is not made as it was at the restore point: {'; '.join(differences)}",
            f"nothing was changed; restore the whole file (--only {step.database.file}), or the table elsewhere "
            "(--into FOLDER) and copy from there what you need",
        )


def _differences(then: Schema, now: Schema, name: str) -> list[str]:
    was, became = then.table(name), now.table(name)
    if was is not None and became is not None:
        return table_differences(was, became)
    was_sql, now_sql = ([row.sql for row in s.rows if row.name == name and row.type == "table"] for s in (then, now))
    if was is None and became is None and was_sql == now_sql and was_sql:
        return []  # a virtual table; its shadow tables are compared by themselves
    kinds = {row.name.lower(): row.type for row in now.rows if row.type in ("table", "view")}
    if kinds.get(name.lower()) == "view":
        return ["there is a view of that name now"]
    return ["it is a virtual table, then or now, and declared otherwise"]


def table_differences(was: Table, became: Table) -> list[str]:
    """What differs between two tables that store rows, in words; nothing where the rows of one fit into the other."""
    if was == became:
        return []
    then, now = ({column.name: column for column in table.columns} for table in (was, became))
    told = [f"the column {name} is gone" for name in then if name not in now]
    told += [f"the column {name} is new" for name in now if name not in then]
    told += [
        f"the column {name} was declared {_declared(then[name])} and is {_declared(now[name])}"
        for name in then
        if name in now and then[name] != now[name]
    ]
    if was.without_rowid != became.without_rowid:
        told.append("it has become a table " + ("WITHOUT ROWID" if became.without_rowid else "with rowids"))
    if was.strict != became.strict:
        told.append("it is " + ("STRICT now" if became.strict else "not STRICT any more"))
    return told or ["its columns stand in another order"]


def _declared(column: Column) -> str:
    words = [column.declared or "without a type"]
    if column.key_position:
        words.append("PRIMARY KEY")
    if column.key_collation != "BINARY":
        words.append(f"COLLATE {column.key_collation}")
    if column.generated:
        words.append("GENERATED")
    return " ".join(words)
