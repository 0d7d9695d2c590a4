"""What a file's header keeps, and what rewrites the whole file."""

# ruff: noqa: E501 - SQL in a table of cases
from __future__ import annotations

from gallery.case import Case, sql

_TABLE = "CREATE TABLE t (a, b TEXT); INSERT INTO t VALUES (1, 'täxt \U0001f600'), (NULL, ''); CREATE INDEX i ON t (b);"
_CHANGE = "INSERT INTO t VALUES (2, 'more'); UPDATE t SET b = 'x' WHERE a = 1;"

CASES: tuple[Case, ...] = (
    *(
        sql(f"pages of {size} bytes", f"PRAGMA page_size = {size}; {_TABLE}", _CHANGE)
        for size in (512, 1024, 2048, 4096, 8192, 16384, 32768, 65536)
    ),
    *(sql(f"auto_vacuum {mode}", f"PRAGMA auto_vacuum = {mode}; {_TABLE}", _CHANGE) for mode in ("FULL", "INCREMENTAL")),
    *(sql(encoding, f"PRAGMA encoding = '{encoding}'; {_TABLE}", _CHANGE) for encoding in ("UTF-16le", "UTF-16be")),
    sql("user_version and application_id", f"PRAGMA user_version = -2147483648; PRAGMA application_id = 2147483647; {_TABLE}",
        "PRAGMA user_version = 7; PRAGMA application_id = -1;"),
    sql("a file without a byte", "", _TABLE),
    sql("a file without a byte, and then a setting", "", "PRAGMA user_version = 7;"),
    sql("a setting and nothing else", "PRAGMA user_version = 7;", "PRAGMA application_id = -5;"),
    sql("a setting in WAL mode and nothing else", "PRAGMA journal_mode = WAL; PRAGMA user_version = 7;", "PRAGMA user_version = 8;"),
    sql("no table any more, UTF-16be", f"PRAGMA encoding = 'UTF-16be'; {_TABLE} DROP TABLE t; PRAGMA user_version = 7;", _TABLE),
    sql("WAL", f"PRAGMA journal_mode = WAL; {_TABLE}", _CHANGE),
    sql("from rollback to WAL", _TABLE, f"PRAGMA journal_mode = WAL; {_CHANGE}"),
    sql("from WAL to rollback", f"PRAGMA journal_mode = WAL; {_TABLE}", f"{_CHANGE} PRAGMA journal_mode = DELETE;"),
    sql("TRUNCATE and PERSIST journals", f"PRAGMA journal_mode = PERSIST; {_TABLE}", f"PRAGMA journal_mode = TRUNCATE; {_CHANGE}"),
    sql("VACUUM moves rowids", "CREATE TABLE t (a TEXT); INSERT INTO t (rowid, a) VALUES (5, 'x'), (9, 'y'); CREATE TABLE k (k TEXT "
        "PRIMARY KEY); INSERT INTO k (rowid, k) VALUES (7, 'a'), (70, 'b');", "VACUUM;"),
    sql("VACUUM into other pages", _TABLE, "PRAGMA page_size = 8192; PRAGMA auto_vacuum = FULL; VACUUM;"),
    sql("secure_delete and free pages", "PRAGMA secure_delete = ON; CREATE TABLE t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
        "i + 1 FROM n WHERE i < 3000) INSERT INTO t SELECT hex(randomblob(50)) FROM n;", "DELETE FROM t WHERE rowid > 5;"),
)  # fmt: skip
