"""Schemas: what stands around the tables, and virtual tables with the tables that hold their data."""

# ruff: noqa: E501 - SQL in a table of cases
from __future__ import annotations

from gallery.case import Case, sql

WRITABLE = "PRAGMA writable_schema = ON;"

CASES: tuple[Case, ...] = (
    sql("CHECK and DEFAULT expressions", "CREATE TABLE t (a INTEGER CHECK (a > 0) DEFAULT (1 + 1), b TEXT DEFAULT CURRENT_TIMESTAMP, "
        "c DEFAULT 'it''s', d BLOB DEFAULT x'00ff', e REAL DEFAULT -0.5, f DEFAULT (hex(randomblob(4)))); "
        "INSERT INTO t DEFAULT VALUES;", "INSERT INTO t DEFAULT VALUES; UPDATE t SET a = 5 WHERE rowid = 1;"),
    sql("a CHECK that rows violate", "CREATE TABLE t (a INTEGER CHECK (a > 0)); PRAGMA ignore_check_constraints = ON; "
        "INSERT INTO t VALUES (-1), (1); PRAGMA ignore_check_constraints = OFF;",
        "PRAGMA ignore_check_constraints = ON; INSERT INTO t VALUES (-2), (2);"),
    sql("foreign keys that are violated", "CREATE TABLE p (id INTEGER PRIMARY KEY); CREATE TABLE c (id INTEGER PRIMARY KEY, "
        "p REFERENCES p ON DELETE CASCADE); CREATE TABLE n (x REFERENCES nowhere (y)); INSERT INTO p VALUES (1); "
        "INSERT INTO c VALUES (1, 1), (2, 99); INSERT INTO n VALUES (5);", "DELETE FROM p; INSERT INTO c VALUES (3, 77);"),
    sql("self references", "CREATE TABLE t (id INTEGER PRIMARY KEY, parent REFERENCES t (id)); PRAGMA foreign_keys = ON; "
        "BEGIN; PRAGMA defer_foreign_keys = ON; INSERT INTO t VALUES (1, 2), (2, 1); COMMIT;",
        "INSERT INTO t VALUES (3, 3); UPDATE t SET parent = 3 WHERE id = 1;"),
    sql("conflict clauses", "CREATE TABLE t (a UNIQUE ON CONFLICT REPLACE, b NOT NULL ON CONFLICT IGNORE DEFAULT 5, "
        "c PRIMARY KEY ON CONFLICT ROLLBACK); INSERT INTO t VALUES (1, 2, 3), (4, 5, 6); INSERT INTO t VALUES (1, 7, 8);",
        "INSERT INTO t VALUES (4, 9, 9);"),
    sql("indexes of every kind", "CREATE TABLE t (a TEXT, b INTEGER, c REAL UNIQUE); CREATE UNIQUE INDEX i1 ON t (a, b DESC); "
        "CREATE INDEX i2 ON t (lower(a), b + c) WHERE b IS NOT NULL; CREATE INDEX i3 ON t (a COLLATE NOCASE DESC); "
        "CREATE INDEX i4 ON t (typeof(c), c); INSERT INTO t VALUES ('A', 1, 1.0), ('a', 2, 2.5), (NULL, NULL, NULL);",
        "DROP INDEX i3; CREATE INDEX i3 ON t (b); UPDATE t SET c = 9 WHERE b = 1; REINDEX; DROP INDEX i1;"),
    sql("views", "CREATE TABLE t (a, b); CREATE VIEW v (x, y) AS SELECT a, b FROM t WHERE a > 1; CREATE VIEW w AS SELECT * FROM v; "
        "CREATE VIEW broken AS SELECT * FROM not_there; INSERT INTO t VALUES (1, 2), (3, 4);",
        "DROP VIEW v; CREATE VIEW v AS SELECT b AS x, a AS y FROM t; INSERT INTO t VALUES (5, 6);"),
    sql("triggers", "CREATE TABLE t (a); CREATE TABLE log (what); CREATE TRIGGER ai AFTER INSERT ON t BEGIN INSERT INTO log VALUES "
        "('inserted ' || new.a); END; CREATE TRIGGER bd BEFORE DELETE ON t WHEN old.a > 1 BEGIN SELECT RAISE(ABORT, 'no'); END; "
        "CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER ii INSTEAD OF INSERT ON v BEGIN INSERT INTO t VALUES (new.a * 10); END; "
        "INSERT INTO t VALUES (1); INSERT INTO v VALUES (5);", "DELETE FROM t WHERE a = 1; DROP TRIGGER bd; INSERT INTO t VALUES (2);"),
    sql("a trigger that would change the rows of a restore", "CREATE TABLE t (id INTEGER PRIMARY KEY, n); CREATE TRIGGER r AFTER INSERT "
        "ON t BEGIN UPDATE t SET n = n + 1; DELETE FROM t WHERE id = new.id - 2; END; INSERT INTO t VALUES (1, 0), (2, 0), (3, 0);",
        "INSERT INTO t VALUES (4, 0);"),
    sql("statistics of ANALYZE", "CREATE TABLE t (a, b); CREATE INDEX i ON t (a); WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT "
        "i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT i, i FROM n; ANALYZE;", "DELETE FROM t WHERE a > 50; ANALYZE;"),
    sql("statistics with a counter", "CREATE TABLE t (id INTEGER PRIMARY KEY AUTOINCREMENT, a UNIQUE); INSERT INTO t (a) VALUES (1), (2); "
        "ANALYZE;", "UPDATE sqlite_stat1 SET stat = 'by hand'; INSERT INTO t (a) VALUES (3);"),
    sql("statistics of other builds of SQLite", f"CREATE TABLE t (a, b); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1, 2), (3, 4); ANALYZE; "
        f"{WRITABLE} CREATE TABLE sqlite_stat3(tbl,idx,neq,nlt,ndlt,sample); CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample); "
        "INSERT INTO sqlite_stat4 VALUES ('t', 'i', '1 1', '0 0', '0 0', x'0302010102'), ('t', 'i', '1 1', '1 1', '1 1', x'03020103');",
        "DELETE FROM sqlite_stat4 WHERE nlt = '0 0'; INSERT INTO sqlite_stat3 VALUES ('t', 'i', '1', '0', '0', 5); DELETE FROM t WHERE a = 1;"),
    sql("statistics of other builds of SQLite, empty and alone", f"CREATE TABLE t (a); {WRITABLE} "
        "CREATE TABLE sqlite_stat4(tbl,idx,neq,nlt,ndlt,sample);", "INSERT INTO t VALUES (1);"),
    sql("SQL in the schema that is not in SQLite's own form", "CREATE TABLE t (a TEXT PRIMARY KEY, b); CREATE INDEX i ON t (b); "
        "CREATE VIEW v AS SELECT a FROM t; CREATE TRIGGER r AFTER INSERT ON t BEGIN SELECT 1; END; CREATE VIRTUAL TABLE f USING fts5 (x); "
        "CREATE TABLE n (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO f VALUES ('words'); INSERT INTO n VALUES (5); "
        f"INSERT INTO t VALUES ('x', 1); {WRITABLE} "
        "UPDATE sqlite_schema SET sql = 'create table if not exists t(a TEXT PRIMARY KEY,b) ; -- by hand ' WHERE name = 't'; "
        "UPDATE sqlite_schema SET sql = sql || ' ; ' WHERE name IN ('i', 'v', 'r', 'n'); "
        "UPDATE sqlite_schema SET sql = 'create  virtual table IF NOT EXISTS f using fts5(x);' WHERE name = 'f'; "
        "UPDATE sqlite_schema SET name = 'N', tbl_name = 'N' WHERE name = 'n'; PRAGMA writable_schema = RESET;",
        "INSERT INTO t VALUES ('y', 2); INSERT INTO n VALUES (NULL); INSERT INTO f VALUES ('more'); "
        f"{WRITABLE} UPDATE sqlite_schema SET sql = sql || '/* end */' WHERE name = 'i'; PRAGMA writable_schema = RESET;"),
    sql("FTS5", "CREATE VIRTUAL TABLE f USING fts5 (title, body, tokenize = 'porter'); INSERT INTO f VALUES ('one', 'running dogs'), "
        "('two', 'sleeping cats');", "INSERT INTO f VALUES ('three', 'more words'); DELETE FROM f WHERE title = 'one';"),
    sql("FTS5 with external content", "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT); CREATE VIRTUAL TABLE f USING fts5 (body, "
        "content = 'docs', content_rowid = 'id'); CREATE TRIGGER d AFTER INSERT ON docs BEGIN INSERT INTO f (rowid, body) "
        "VALUES (new.id, new.body); END; INSERT INTO docs VALUES (1, 'hello world'), (2, 'other words');",
        "INSERT INTO docs VALUES (3, 'third'); INSERT INTO f (f) VALUES ('rebuild');"),
    sql("FTS5 with external content that is out of step", "CREATE TABLE docs (id INTEGER PRIMARY KEY, body TEXT); "
        "CREATE VIRTUAL TABLE f USING fts5 (body, content = 'docs', content_rowid = 'id'); INSERT INTO docs VALUES (1, 'hello'); "
        "INSERT INTO f (rowid, body) VALUES (1, 'something else');", "DELETE FROM docs;"),
    sql("FTS5 without content", "CREATE VIRTUAL TABLE f USING fts5 (body, content = ''); INSERT INTO f (rowid, body) VALUES (1, 'hello');",
        "INSERT INTO f (rowid, body) VALUES (2, 'again');"),
    sql("FTS3 and FTS4", "CREATE VIRTUAL TABLE f3 USING fts3 (body); CREATE VIRTUAL TABLE f4 USING fts4 (body, tokenize = unicode61); "
        "INSERT INTO f3 VALUES ('hello world'); INSERT INTO f4 VALUES ('hello world');",
        "INSERT INTO f4 VALUES ('more'); DELETE FROM f3;"),
    sql("R-Tree", "CREATE VIRTUAL TABLE r USING rtree (id, x0, x1, y0, y1, +label TEXT); INSERT INTO r VALUES (1, 0, 1, 0, 1, 'a'), "
        "(2, 5, 6, 5, 6, 'b'); CREATE VIRTUAL TABLE i USING rtree_i32 (id, a, b); INSERT INTO i VALUES (1, 2, 3);",
        "DELETE FROM r WHERE id = 1; UPDATE r SET x1 = 9 WHERE id = 2;"),
    sql("a virtual table of a name with USING in it", 'CREATE VIRTUAL TABLE "a using b" USING fts5 (x); '
        'INSERT INTO "a using b" VALUES (\'words\'); CREATE VIRTUAL TABLE [c] using "fts5" (x);',
        'INSERT INTO "a using b" VALUES (\'more\');'),
    sql("an ordinary table named like a shadow table", "CREATE TABLE t_data (a); INSERT INTO t_data VALUES (1); "
        "CREATE TABLE t_content (b); CREATE VIRTUAL TABLE u USING fts5 (x); CREATE TABLE u_more (c); INSERT INTO u_more VALUES (2);",
        "UPDATE t_data SET a = 2; INSERT INTO u VALUES ('x');"),
    sql("a virtual table goes", "CREATE VIRTUAL TABLE f USING fts5 (x); INSERT INTO f VALUES ('a'); CREATE TABLE t (a);",
        "DROP TABLE f; CREATE TABLE f (x); INSERT INTO f VALUES ('plain');"),
    sql("comments and odd spacing in the schema", "CREATE TABLE t -- a comment\n (a /* here */ INTEGER,\n\n\tb TEXT -- end\n);"
        "CREATE INDEX\ti\nON t(\na\n); INSERT INTO t VALUES (1, 'x');", "ALTER TABLE t ADD COLUMN c DEFAULT /* why */ 'late';"),
    sql("double-quoted strings", "CREATE TABLE t (a DEFAULT \"it\"); CREATE INDEX i ON t (a) WHERE a <> 'x'; INSERT INTO t DEFAULT VALUES; "
        "CREATE VIEW v AS SELECT \"not a column\" FROM t;", "INSERT INTO t DEFAULT VALUES;"),
    sql("a table made from a query", "CREATE TABLE s (a INTEGER, b TEXT, c REAL, d); INSERT INTO s VALUES (1, 'x', 1.5, x'00'); "
        "CREATE TABLE t AS SELECT a, b, c, d, a + 1, 'x' AS e FROM s;", "INSERT INTO t SELECT * FROM t;"),
)  # fmt: skip
