"""Lives of databases for hypothesis: tables of any shape, rows of any values, and what happens to them day by day."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

from gallery.values import BLOBS, CODECS, INTEGERS, INVALID, LARGE, NUL_TEXTS, POINTS, REALS, SURROGATES, TEXTS
from hypothesis import strategies as st

TYPES = [
    "",
    "INTEGER",
    "INT",
    "REAL",
    "TEXT",
    "BLOB",
    "BOOLEAN",
    "NUMERIC",
    "DECIMAL(9,2)",
    "DATETIME",
    "VARCHAR(5)",
    "DOUBLE",
]
STRICT_TYPES = ["INTEGER", "INT", "REAL", "TEXT", "BLOB", "ANY"]
COLLATIONS = ["", " COLLATE NOCASE", " COLLATE RTRIM", " COLLATE BINARY"]
TABLES = ["t", "user", "Table Two", "m", "t_pkey", "d"]
COLUMNS = ["a", "b", "m", "d", "s", "order", "_exact", "xmin", "c d", "excluded", "h"]

texts = st.one_of(st.sampled_from([t for t in TEXTS if len(t) < 100]), st.sampled_from(NUL_TEXTS), st.text(max_size=6))
values = st.one_of(
    st.none(),
    st.sampled_from(INTEGERS),
    st.integers(-3, 3),
    st.integers(-(2**63), 2**63 - 1),
    st.sampled_from(REALS),
    st.floats(allow_nan=False),
    st.sampled_from(["a", "A", "a ", "b", "1", "2", "x"]),
    texts,
    st.sampled_from([b for b in BLOBS if len(b) < 300]),
    st.binary(max_size=4),
    st.sampled_from([bytes(raw) for raw in INVALID]).map(lambda raw: ("raw", raw)),
    st.lists(st.sampled_from(POINTS + SURROGATES), min_size=1, max_size=3).map(lambda points: ("points", points)),
)
large = st.tuples(st.sampled_from(["raw", "blob"]), st.sampled_from([b"\x00", b"a", b"\xc3\xa4", b"\xff"])).map(
    lambda drawn: (drawn[0], drawn[1] * (LARGE // len(drawn[1])))
)
few = st.one_of(
    st.none(), st.integers(0, 4), st.sampled_from(["a", "A", "a ", "b", 1.0, 0.5, -0.0, "", b"a", "a\0", float("inf")])
)


@dataclass(frozen=True)
class Step:
    """One thing that happens to whatever table is there: `table` and `columns` are positions, counted round and round."""

    statement: str  # {table}, {a}, {b} are names; {} is an argument; {all} as many as the table has columns
    arguments: tuple[Any, ...] = ()
    table: int = 0
    columns: tuple[int, int] = (0, 0)

    def run(self, connection: sqlite3.Connection) -> None:
        """What SQLite refuses (a key twice, a column that an index needs) simply does not happen."""
        tables = [name for (name,) in connection.execute(_TABLES)]
        names = {"table": '"nothing"', "a": '"nothing"', "b": '"nothing"'}
        arguments, width, columns = list(self.arguments), 0, []
        if tables:
            table = tables[self.table % len(tables)]
            columns = connection.execute(f"PRAGMA table_info({quoted(table)})").fetchall()
            names = {
                "table": quoted(table),
                "a": quoted(columns[self.columns[0] % len(columns)][1]),
                "b": quoted(columns[self.columns[1] % len(columns)][1]),
            }
            width = len(columns)
        statement = self.statement
        for name, value in names.items():
            statement = statement.replace("{" + name + "}", value)
        if "{all}" in statement:
            arguments = (arguments * width)[:width]
            statement = statement.replace("{all}", ", ".join(["{}"] * width))
        if not _executed(connection, statement, arguments) and width and "{all}" in self.statement:
            typed = [TYPICAL.get(row[2], value) for row, value in zip(columns, arguments, strict=True)]
            _executed(connection, statement, typed)


def _executed(connection: sqlite3.Connection, statement: str, arguments: list[Any]) -> bool:
    bound = []
    for value in arguments:
        raw = _raw(connection, value) if isinstance(value, tuple) and value[0] != "blob" else None
        statement = statement.replace("{}", "?" if raw is None else raw, 1)
        if raw is None:
            bound.append(value[1] if isinstance(value, tuple) else value)
    try:
        connection.execute(statement, bound)
    except sqlite3.Error:
        return False
    return True


def _raw(connection: sqlite3.Connection, value: tuple[str, Any]) -> str:
    """A text of these very bytes: a literal is cast in the database's own encoding."""
    kind, content = value
    codec = CODECS[connection.execute("PRAGMA main.encoding").fetchone()[0]]
    text = content if kind == "raw" else "".join(map(chr, content)).encode(codec, "surrogatepass")
    return f"CAST(x'{text.hex()}' AS TEXT)"


# What a column of a strict type, or of a key, takes in any case.
TYPICAL: dict[str, Any] = {"INTEGER": None, "INT": 3, "REAL": 2.5, "TEXT": "t", "BLOB": b"b", "ANY": 1, "": "k"}
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY rowid"


@dataclass(frozen=True)
class Life:
    """`days`: what the bot does between two runs. `forgetful`: the sidecar loses its shadow after each."""

    days: list[list[Step]]
    full: bool
    forgetful: bool


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


@st.composite
def created(draw: st.DrawFn, table: str, without_rowid: bool) -> str:
    """A CREATE TABLE."""
    names = draw(st.lists(st.sampled_from(COLUMNS), min_size=1, max_size=5, unique=True))
    kind = draw(st.sampled_from(["rowid", "strict"] if not without_rowid else ["without", "without strict"]))
    types = STRICT_TYPES if "strict" in kind else TYPES
    columns = [f"{quoted(n)} {draw(st.sampled_from(types))}{draw(st.sampled_from(COLLATIONS))}" for n in names]
    key = draw(st.lists(st.sampled_from(names), min_size=int(without_rowid), max_size=3, unique=True))
    if not without_rowid and draw(st.booleans()):
        columns.append(draw(st.sampled_from(["id INTEGER PRIMARY KEY", "id INTEGER PRIMARY KEY AUTOINCREMENT"])))
    elif key:
        columns.append(f"PRIMARY KEY ({', '.join(quoted(n) + draw(st.sampled_from(COLLATIONS)) for n in key)})")
    if draw(st.integers(0, 4)) == 0:
        expression = f"{quoted(names[0])} || 'x'"
        columns.insert(
            0, f"g{' ANY' if 'strict' in kind else ''} AS ({expression}) {draw(st.sampled_from(['STORED', 'VIRTUAL']))}"
        )
    options = ", ".join(
        option for option, wanted in (("STRICT", "strict" in kind), ("WITHOUT ROWID", without_rowid)) if wanted
    )
    return f"CREATE TABLE {quoted(table)} ({', '.join(columns)}) {options}"


positions = st.tuples(st.integers(0, 5), st.integers(0, 5))


@st.composite
def inserts(draw: st.DrawFn) -> list[Step]:
    table = draw(st.integers(0, 3))
    rows = draw(st.lists(st.lists(st.one_of(few, values), min_size=6, max_size=6), min_size=1, max_size=5))
    return [Step("INSERT OR REPLACE INTO {table} VALUES ({all})", tuple(row), table) for row in rows]


@st.composite
def row_change(draw: st.DrawFn) -> list[Step]:
    kind = draw(
        st.sampled_from(
            ["insert", "insert", "update", "update", "few", "key", "rowid", "delete", "delete", "all", "bulk"]
        )
    )
    if kind == "insert":
        return draw(inserts())
    modulus, places, table = draw(st.integers(1, 3)), draw(positions), draw(st.integers(0, 3))
    some, one = draw(values), draw(few)
    cast = draw(st.sampled_from(["REAL", "TEXT", "BLOB", "INTEGER"]))
    statements: dict[str, list[tuple[str, tuple[Any, ...]]]] = {
        "update": [(f"UPDATE OR IGNORE {{table}} SET {{a}} = {{}} WHERE length({{b}}) % {modulus} = 0", (some,))],
        "few": [("UPDATE OR REPLACE {table} SET {a} = {} WHERE {b} IS NOT NULL", (one,))],
        "key": [
            ("UPDATE OR IGNORE {table} SET {a} = upper({a})", ()),
            (f"UPDATE OR IGNORE {{table}} SET {{a}} = CAST({{b}} AS {cast})", ()),
        ],
        "rowid": [(f"UPDATE OR IGNORE {{table}} SET rowid = rowid + {draw(st.integers(-5, 5))}", ())],
        "delete": [
            (f"DELETE FROM {{table}} WHERE rowid % {modulus + 1} = 0", ()),
            ("DELETE FROM {table} WHERE {a} = {}", (one,)),
        ],
        "all": [("DELETE FROM {table}", ())],
        "bulk": [
            (
                f"INSERT OR REPLACE INTO {{table}} ({{a}}, {{b}}) WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 "
                f"FROM n WHERE i < {draw(st.integers(500, 1200))}) SELECT 'row ' || i, i FROM n",
                (),
            ),
            ("UPDATE OR IGNORE {table} SET {a} = {b}, {b} = {a}", ()),
        ],
    }
    return [Step(statement, arguments, table, places) for statement, arguments in statements[kind]]


@st.composite
def schema_change(draw: st.DrawFn, without_rowid: bool) -> list[Step]:
    new, column = draw(st.sampled_from(TABLES)), quoted(draw(st.sampled_from(COLUMNS)))
    default = draw(st.sampled_from(["", "", " DEFAULT 5", " DEFAULT 'x'", " DEFAULT 1.5", " DEFAULT '7'"]))
    kind = draw(
        st.sampled_from(
            [
                "add",
                "add",
                "drop column",
                "rename column",
                "rename",
                "drop",
                "create",
                "index",
                "vacuum",
                "pragma",
                "stat",
            ]
        )
    )
    statement = {
        "add": f"ALTER TABLE {{table}} ADD COLUMN {column} {draw(st.sampled_from(TYPES))}{default}",
        "drop column": "ALTER TABLE {table} DROP COLUMN {a}",
        "rename column": f"ALTER TABLE {{table}} RENAME COLUMN {{a}} TO {column}",
        "rename": f"ALTER TABLE {{table}} RENAME TO {quoted(new)}",
        "drop": "DROP TABLE {table}",
        "create": draw(created(new, without_rowid)),
        "index": f"CREATE INDEX {quoted('i ' + new)} ON {{table}} ({{a}}, {{b}})",
        "vacuum": "VACUUM",
        "stat": "ANALYZE",
        "pragma": f"PRAGMA user_version = {draw(st.integers(0, 99))}",
    }[kind]
    steps = [Step(statement, (), draw(st.integers(0, 3)), draw(positions))]
    if kind == "stat":  # and what SQLite has where it is built with STAT4
        sample = ("t", "i", "1 1", "0 0", draw(few), draw(st.binary(max_size=9)))
        steps.append(Step("PRAGMA writable_schema = ON"))
        steps.append(Step("CREATE TABLE IF NOT EXISTS sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample)"))
        steps.append(Step("INSERT INTO sqlite_stat4 VALUES ({}, {}, {}, {}, {}, {})", sample))
        steps.append(Step("PRAGMA writable_schema = RESET"))
    return steps + (draw(inserts()) if kind == "create" else [])


@st.composite
def large_change(draw: st.DrawFn) -> list[Step]:
    """A value of more than a megabyte comes, becomes another one, or goes, with whatever stands in its table."""
    where = "{b} IS (SELECT max({b}) FROM {table})"
    update, delete = (
        f"UPDATE OR IGNORE {{table}} SET {{a}} = {{}} WHERE {where}",
        f"DELETE FROM {{table}} WHERE {where}",
    )
    statement = draw(st.sampled_from([update, delete]))
    arguments = (draw(large),) if statement == update else ()
    return [Step(statement, arguments, draw(st.integers(0, 3)), draw(positions))]


@st.composite
def lives(
    draw: st.DrawFn,
    max_days: int = 4,
    schema_changes: bool = True,
    encodings: tuple[str, ...] = ("UTF-8",),
    without_rowid: bool | None = None,
    with_large: bool = False,
) -> Life:
    rowless = draw(st.booleans()) if without_rowid is None else without_rowid
    first = [Step(f"PRAGMA encoding = '{draw(st.sampled_from(encodings))}'")]
    for table in TABLES[: draw(st.integers(1, 3))]:
        first.append(Step(draw(created(table, rowless))))
    for table in range(3):
        first += [Step(step.statement, step.arguments, table) for step in draw(inserts())]
    change = st.one_of(row_change(), row_change(), schema_change(rowless)) if schema_changes else row_change()
    if with_large:
        change = st.one_of(change, large_change(), large_change())
    days = draw(st.lists(st.lists(change, min_size=1, max_size=4), min_size=1, max_size=max_days - 1))
    flat = [[step for steps in day for step in steps] for day in days]
    return Life([first, *flat], full=draw(st.booleans()), forgetful=draw(st.integers(0, 5)) == 0)
