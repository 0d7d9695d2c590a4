"""SQLite's own check of a private file, as far as it can be made here: what it found, and what could not be checked."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from urllib.parse import quote

from mirror.findings import MOST, Findings, Remark, lines_of, sorted_out
from mirror.names import quote_sqlite
from mirror.schema import virtual_module
from mirror.stand_ins import StandIns


def opened(path: Path) -> sqlite3.Connection:
    """A connection for `checked`, and for nothing else: what it has stand-ins for is not read through it."""
    connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
    connection.text_factory = lambda text: text.decode(errors="replace")
    return connection


def checked(connection: sqlite3.Connection, full: bool, table: str | None = None) -> Findings:
    """The findings, sorted, of the whole file or of one table in it. Raises sqlite3.Error.

    A virtual table that this SQLite cannot open (another tokenizer, an option of a newer SQLite) ends the check of the
    whole; then each table that stores rows is checked by itself.
    """
    stand_ins = StandIns(connection)
    pragma = "integrity_check" if full else "quick_check"

    def ask(what: str) -> list[str]:
        asked = stand_ins.run(lambda: connection.execute(f"PRAGMA {pragma}({what})").fetchall())
        return lines_of(line for (line,) in asked)

    remarks = _unknown_modules(connection) if table is None else []
    try:
        lines = ask(quote_sqlite(table) if table else str(MOST))
    except sqlite3.OperationalError as error:
        if table is not None or error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_ERROR or not _virtual(connection):
            raise
        remarks.append(_not_checked(f"its virtual tables were not checked: {error}"))
        lines = [line for name in _stored(connection) for line in ask(quote_sqlite(name))]
    stand_ins.declared_collations()
    unknown = stand_ins.indexes()
    if stand_ins.collations or stand_ins.functions:
        remarks.append(_of(stand_ins, unknown))
    found = sorted_out(lines, _keys(connection), unknown)
    return Findings(found.broken, (*found.remarks, *remarks), found.unmade, found.forbidden)


def _of(stand_ins: StandIns, unknown: dict[str, str]) -> Remark:
    names = ", ".join(sorted({*stand_ins.collations, *(f"{name}()" for name in stand_ins.functions)}))
    what = f"it needs what only the bot's own program has: {names}"
    if not unknown:
        return Remark(what, "")
    indexes = ", ".join(map(quote_sqlite, unknown))
    cure = f"all rows are mirrored; after a restore, the bot has to make these indexes again, by REINDEX: {indexes}"
    return Remark(f"{what}; what is indexed by it was not checked", cure)


def _not_checked(what: str) -> Remark:
    told = f"all their tables are mirrored, and come back as they are (the SQLite here is {sqlite3.sqlite_version})"
    return Remark(what, told)


def _unknown_modules(connection: sqlite3.Connection) -> list[Remark]:
    modules = {name.lower() for (name,) in connection.execute("PRAGMA module_list")}
    found = sorted({module for _, module in _virtual(connection) if module.lower() not in modules})
    return (
        [_not_checked(f"the extension {', '.join(found)} is not here: its virtual tables were not checked")]
        if found
        else []
    )


def _virtual(connection: sqlite3.Connection) -> list[tuple[str, str]]:
    rows = connection.execute("SELECT name, sql FROM main.sqlite_schema WHERE type = 'table'")
    return [(name, module) for name, sql in rows if (module := virtual_module(sql)) is not None]


def _stored(connection: sqlite3.Connection) -> list[str]:
    rows = connection.execute(
        "SELECT name FROM main.sqlite_schema WHERE type = 'table' AND rootpage > 0 ORDER BY rowid"
    )
    return [name for (name,) in rows]


def _keys(connection: sqlite3.Connection) -> set[str]:
    return {
        name
        for table in _stored(connection)
        for _, name, _, origin, _ in connection.execute(f"PRAGMA main.index_list({quote_sqlite(table)})").fetchall()
        if origin == "pk"
    }
