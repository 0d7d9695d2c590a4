"""Tables: their keys, their rowids, their columns."""

# ruff: noqa: E501 - SQL in a table of cases
from __future__ import annotations

import sqlite3

from gallery.case import Case, sql


def _wide(connection: sqlite3.Connection) -> None:
    columns = ", ".join(f"column_{number} {('TEXT', 'INTEGER', 'REAL', '')[number % 4]}" for number in range(1500))
    connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})")
    for row in range(3):
        values = [None if (n + row) % 7 == 0 else ("täxt" * (n % 9), n, n / 7, b"\0")[n % 4] for n in range(1500)]
        connection.execute(f"INSERT INTO t VALUES (NULL, {', '.join('?' * 1500)})", values)


def _wide_changed(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE t SET column_1499 = 'last', column_0 = NULL, column_700 = 'x' WHERE id = 2")
    connection.execute("ALTER TABLE t ADD COLUMN column_1500 TEXT DEFAULT 'new'")


def _long_texts_in_many_columns(connection: sqlite3.Connection) -> None:
    columns = ", ".join(f"c{number} TEXT" for number in range(400))
    connection.execute(f"CREATE TABLE t ({columns})")
    for length in (10, 23, 24, 40, 3000):
        connection.execute(f"INSERT INTO t VALUES ({', '.join('?' * 400)})", ["x" * length] * 400)


CASES: tuple[Case, ...] = (
    sql("no key", "CREATE TABLE t (a, b); INSERT INTO t VALUES (1, 2), (1, 2), (NULL, NULL);",
        "DELETE FROM t WHERE rowid = 1; INSERT INTO t VALUES (1, 2); UPDATE t SET b = 3 WHERE a IS NULL;"),
    sql("no key, rowids with gaps and below zero", "CREATE TABLE t (a); INSERT INTO t (rowid, a) VALUES (-5, 'n'), (0, 'z'), "
        "(9223372036854775807, 'max'), (7, 's');", "UPDATE t SET rowid = 8 WHERE rowid = 7; DELETE FROM t WHERE rowid = 0;"),
    sql("composite key", "CREATE TABLE t (a INTEGER, b TEXT, c REAL, PRIMARY KEY (b, a)); "
        "INSERT INTO t VALUES (1, 'x', 1.5), (2, 'x', 2.5), (1, 'y', NULL);",
        "UPDATE t SET a = a + 1 WHERE b = 'x' AND a = 2; DELETE FROM t WHERE b = 'y'; INSERT INTO t VALUES (9, '', 0);"),
    sql("composite key, two rows swap keys", "CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('b', 2);",
        "UPDATE t SET k = 'tmp' WHERE v = 1; UPDATE t SET k = 'a' WHERE v = 2; UPDATE t SET k = 'b' WHERE v = 1;"),
    sql("a key that moves to another rowid", "CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('b', 2);",
        "DELETE FROM t WHERE k = 'a'; INSERT INTO t (rowid, k, v) VALUES (50, 'a', 1);"),
    sql("key with NULLs", "CREATE TABLE t (a TEXT, b INTEGER, v, PRIMARY KEY (a, b)); "
        "INSERT INTO t VALUES (NULL, 1, 'x'), (NULL, 1, 'y'), ('a', NULL, 'z'), ('a', 1, 'w');",
        "UPDATE t SET v = 'changed' WHERE v = 'y'; DELETE FROM t WHERE v = 'z';"),
    sql("key that gets its first NULL later", "CREATE TABLE t (a TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('a', 1), ('b', 2);",
        "INSERT INTO t VALUES (NULL, 3), (NULL, 4);"),
    sql("key with NOCASE", "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v); INSERT INTO t VALUES ('Abc', 1), ('d', 2);",
        "UPDATE t SET k = 'aBC' WHERE v = 1; UPDATE t SET k = 'D', v = 3 WHERE v = 2;"),
    sql("key with NOCASE, WITHOUT ROWID", "CREATE TABLE t (k TEXT COLLATE NOCASE PRIMARY KEY, v) WITHOUT ROWID; "
        "INSERT INTO t VALUES ('Abc', 1), ('d', 2);", "UPDATE t SET k = 'aBC' WHERE v = 1; DELETE FROM t WHERE k = 'D';"),
    sql("key with RTRIM, WITHOUT ROWID", "CREATE TABLE t (k TEXT COLLATE RTRIM PRIMARY KEY, v) WITHOUT ROWID; "
        "INSERT INTO t VALUES ('a', 1), ('b ', 2);", "UPDATE t SET k = 'a   ' WHERE v = 1; UPDATE t SET v = 5 WHERE k = 'b';"),
    sql("column NOCASE but key BINARY, WITHOUT ROWID", "CREATE TABLE t (k TEXT COLLATE NOCASE, v, "
        "PRIMARY KEY (k COLLATE BINARY)) WITHOUT ROWID; INSERT INTO t VALUES ('A', 1), ('a', 2), ('b', 3);",
        "UPDATE t SET v = 9 WHERE v = 1; DELETE FROM t WHERE v = 2; INSERT INTO t VALUES ('B', 4);"),
    sql("column BINARY but key NOCASE, WITHOUT ROWID", "CREATE TABLE t (k TEXT, v, PRIMARY KEY (k COLLATE NOCASE)) "
        "WITHOUT ROWID; INSERT INTO t VALUES ('A', 1), ('b', 3);", "UPDATE t SET k = 'a' WHERE v = 1; INSERT INTO t VALUES ('c', 5);"),
    sql("key of mixed classes", "CREATE TABLE t (k PRIMARY KEY, v); INSERT INTO t VALUES (1, 'i'), ('1', 't'), (x'31', 'b'), "
        "(1.5, 'r');", "UPDATE t SET k = 1.0 WHERE v = 'i'; UPDATE t SET k = '2' WHERE v = 'b';"),
    sql("key of mixed classes, WITHOUT ROWID", "CREATE TABLE t (k, j BLOB, v, PRIMARY KEY (k, j)) WITHOUT ROWID; "
        "INSERT INTO t VALUES (1, 1, 'i'), ('1', 'x', 't'), (x'31', '', 'b'), (1.5, -0.0, 'r'), (9e999, 1, 'inf');",
        "UPDATE t SET k = 1.0 WHERE v = 'i'; UPDATE t SET j = 0.0 WHERE v = 'r'; DELETE FROM t WHERE v = 't';"),
    sql("keys of NUL and of nothing", "CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('', 1), ('a', 3);",
        "INSERT INTO t VALUES ('a' || char(0), 2); DELETE FROM t WHERE k = '';"),
    sql("empty key goes", "CREATE TABLE t (k TEXT PRIMARY KEY, v); INSERT INTO t VALUES ('', 1), ('a', 3);",
        "DELETE FROM t WHERE k = '';"),
    sql("keys of blobs, reals, booleans and dates", "CREATE TABLE t (b BLOB, r REAL, f BOOLEAN, d DATE, n NUMERIC, v, "
        "PRIMARY KEY (b, r, f, d, n)); INSERT INTO t VALUES (x'00ff', 0.1, 1, '2026-01-01', 1.25, 'a'), "
        "(x'', 1e300, 0, '', 12345678901234567, 'b');", "UPDATE t SET v = 'c' WHERE f; DELETE FROM t WHERE NOT f;"),
    sql("keys that are too long for an index", "CREATE TABLE t (k TEXT PRIMARY KEY, v); "
        "INSERT INTO t VALUES (hex(zeroblob(3000)), 1), ('short', 2);", "UPDATE t SET v = 3; DELETE FROM t WHERE k = 'short';"),
    sql("keys that are too long for an index, WITHOUT ROWID", "CREATE TABLE t (k TEXT PRIMARY KEY, v) WITHOUT ROWID; "
        "INSERT INTO t VALUES (hex(zeroblob(3000)), 1), ('short', 2);", "UPDATE t SET v = 3; DELETE FROM t WHERE k = 'short';"),
    sql("key of 40 columns", f"CREATE TABLE t ({', '.join(f'c{n}' for n in range(40))}, v, PRIMARY KEY "
        f"({', '.join(f'c{n}' for n in range(40))})); INSERT INTO t (c0, c39, v) VALUES (1, 2, 3);", "UPDATE t SET v = 4;"),
    sql("key of 40 columns, WITHOUT ROWID", f"CREATE TABLE t ({', '.join(f'c{n} DEFAULT 0' for n in range(40))}, v, "
        f"PRIMARY KEY ({', '.join(f'c{n}' for n in range(40))})) WITHOUT ROWID; INSERT INTO t (c0, c39, v) VALUES (1, 2, 3);",
        "UPDATE t SET v = 4; INSERT INTO t (c0) VALUES (7);"),
    sql("INTEGER PRIMARY KEY DESC is no rowid", "CREATE TABLE t (k INTEGER PRIMARY KEY DESC, v); INSERT INTO t VALUES (5, 'a'), "
        "(3, 'b'), ('text', 'c'), (NULL, 'd');", "DELETE FROM t WHERE k = 5; UPDATE t SET k = 9 WHERE v = 'b';"),
    sql("quoted INTEGER as the key's type", 'CREATE TABLE t (k "INTEGER" PRIMARY KEY, v); CREATE TABLE u (k [integer] PRIMARY KEY, '
        "v); INSERT INTO t VALUES (7, 1), (8, 2); INSERT INTO u VALUES (7, 1), (8, 2);", "DELETE FROM t WHERE k = 7; DELETE FROM u;"),
    sql("INT PRIMARY KEY is no rowid", "CREATE TABLE t (k INT PRIMARY KEY, v); INSERT INTO t VALUES (7, 1), (NULL, 2), ('x', 3);",
        "DELETE FROM t WHERE v = 3; INSERT INTO t VALUES (7.5, 4);"),
    sql("AUTOINCREMENT", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, v); INSERT INTO t (v) VALUES ('a'), ('b'), ('c'); "
        "DELETE FROM t WHERE id = 3; CREATE TABLE empty (id INTEGER PRIMARY KEY AUTOINCREMENT);",
        "INSERT INTO t (v) VALUES ('d'); DELETE FROM t; INSERT INTO empty DEFAULT VALUES; DELETE FROM empty;"),
    sql("AUTOINCREMENT counter set by hand", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO t VALUES (5); "
        "UPDATE sqlite_sequence SET seq = 1000; INSERT INTO sqlite_sequence VALUES ('gone', 7);",
        "UPDATE sqlite_sequence SET seq = 'text' WHERE name = 't'; DELETE FROM sqlite_sequence WHERE name = 'gone';"),
    sql("AUTOINCREMENT table dropped, counter table stays", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT); "
        "INSERT INTO t VALUES (5); CREATE TABLE u (a); INSERT INTO u VALUES (1);", "DROP TABLE t; INSERT INTO u VALUES (2);"),
    sql("STRICT", "CREATE TABLE t (id INTEGER PRIMARY KEY, i INT, r REAL, t TEXT, b BLOB, a ANY) STRICT; "
        "INSERT INTO t VALUES (1, 9223372036854775807, 5, '007', x'00', '007'), (2, NULL, 1.5, '', x'', 7), "
        "(3, 0, -0.0, char(0), NULL, 1.0), (4, 1, 9e999, 'x', x'01', x'ff');",
        "UPDATE t SET a = CAST(a AS BLOB); UPDATE t SET i = i - 1;"),
    sql("STRICT, WITHOUT ROWID", "CREATE TABLE t (k ANY PRIMARY KEY, v ANY) STRICT, WITHOUT ROWID; "
        "INSERT INTO t VALUES (1, '1'), ('1', 1), (x'31', 1.0);", "UPDATE t SET v = k; DELETE FROM t WHERE k = '1';"),
    sql("generated columns", "CREATE TABLE t (id INTEGER PRIMARY KEY, a, b INTEGER, v AS (a || b) VIRTUAL, s TEXT AS (b * 2) "
        "STORED, w BLOB GENERATED ALWAYS AS (CAST(a AS BLOB))); INSERT INTO t (a, b) VALUES ('x', 1), (NULL, 2), ('y', 'z');",
        "UPDATE t SET a = 'changed' WHERE b = 2; ALTER TABLE t ADD COLUMN late AS (b + 1) VIRTUAL; DELETE FROM t WHERE id = 1;"),
    sql("generated columns around the others", "CREATE TABLE t (g AS (x + 1), x INTEGER PRIMARY KEY, h AS (g + 1) STORED UNIQUE); "
        "INSERT INTO t (x) VALUES (1), (2);", "UPDATE t SET x = 10 WHERE x = 1;"),
    sql("generated column over a NUL", "CREATE TABLE t (a, g TEXT AS (a || char(0) || a)); INSERT INTO t VALUES ('x');",
        "UPDATE t SET a = x'ff';"),
    sql("only a key", "CREATE TABLE t (id INTEGER PRIMARY KEY); INSERT INTO t VALUES (1), (2); CREATE TABLE u (k TEXT PRIMARY KEY) "
        "WITHOUT ROWID; INSERT INTO u VALUES ('a');", "DELETE FROM t WHERE id = 1; INSERT INTO u VALUES ('b');"),
    sql("columns named like rowids", "CREATE TABLE t (rowid TEXT, v); INSERT INTO t VALUES ('a', 1); "
        "CREATE TABLE u (oid, _rowid_, v); INSERT INTO u VALUES (7, 8, 9), (7, 8, 9); "
        "CREATE TABLE w (rowid, oid, _rowid_, id INTEGER PRIMARY KEY); INSERT INTO w VALUES ('a', 'b', 'c', 5); "
        "CREATE TABLE x (rowid INTEGER PRIMARY KEY, v); INSERT INTO x VALUES (3, 4);",
        "UPDATE t SET rowid = 'b'; DELETE FROM u WHERE rowid = 1; UPDATE w SET oid = 'B'; UPDATE x SET rowid = 33;"),
    sql("empty tables", "CREATE TABLE t (a); CREATE TABLE u (a PRIMARY KEY) WITHOUT ROWID; CREATE TABLE w (a INTEGER PRIMARY KEY);",
        "INSERT INTO t VALUES (1); INSERT INTO u VALUES (1); CREATE TABLE x (a);"),
    Case("1,500 columns", _wide, _wide_changed),
    Case("400 columns of text", _long_texts_in_many_columns, lambda connection: _script(connection, "DELETE FROM t WHERE rowid = 3")),
    sql("thousands of rows", "CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT, w); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT i, 'text ' || i, iif(i % 1000, i / 3.0, NULL) FROM n;",
        "UPDATE t SET v = 'changed' || id WHERE id % 2; DELETE FROM t WHERE id % 7 = 0; INSERT INTO t VALUES (1000000, 'n', x'00');"),
    sql("thousands of rows, the last ones not UTF-8", "CREATE TABLE t (v TEXT); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL "
        "SELECT i + 1 FROM n WHERE i < 20000) INSERT INTO t SELECT 'a text of some length, so that it takes chunks ' || i FROM n; "
        "INSERT INTO t VALUES (CAST(x'ff' AS TEXT)), ('nul' || char(0)); CREATE INDEX i ON t (v);",
        "UPDATE t SET v = CAST(v || x'ff' AS TEXT) WHERE rowid % 2;"),
)  # fmt: skip


def _script(connection: sqlite3.Connection, script: str) -> None:
    connection.executescript(script)
