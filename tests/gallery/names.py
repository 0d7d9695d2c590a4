"""Names that one side or the other takes badly."""

# ruff: noqa: E501 - SQL in a table of cases
from __future__ import annotations

from gallery.case import Case, sql

LONG = "n" * 199
EMOJI = "\U0001f600 größe \u4e2d"


def _columns(*names: str) -> str:
    return ", ".join('"' + name.replace('"', '""') + '"' for name in names)


ODD_COLUMNS = _columns("x y", "a'b", "c\\d", "e%s", "{f}", "tab\there", 'g"h')

CASES: tuple[Case, ...] = (
    sql("Postgres keywords", 'CREATE TABLE "user" ("select" INTEGER PRIMARY KEY, "order", "table", "end", "all"); '
        'CREATE TABLE "table" (a); CREATE TABLE "pg_class" (relname); CREATE TABLE "public.t" (a); CREATE TABLE "values" (a); '
        'INSERT INTO "user" VALUES (1, 2, 3, 4, 5); INSERT INTO "table" VALUES (1);',
        'UPDATE "user" SET "order" = 9; INSERT INTO pg_class VALUES (1);'),
    sql("names of Postgres's system columns", "CREATE TABLE t (ctid, xmin INTEGER PRIMARY KEY, xmax, cmin, cmax, tableoid, oid); "
        "INSERT INTO t VALUES (1, 2, 3, 4, 5, 6, 7);", "UPDATE t SET ctid = 'x';"),
    sql("names of our own columns", "CREATE TABLE t (_exact, _key, _rowid_ TEXT, run, key, before, PRIMARY KEY (_key, _rowid_)); "
        "INSERT INTO t VALUES (1, 2, 'three', 4, 5, 6); CREATE TABLE u (_exact TEXT PRIMARY KEY, _key) WITHOUT ROWID; "
        "INSERT INTO u VALUES ('a', x'00'); CREATE TABLE w (m, n, o, s, k, r, c, h, d, excluded);"
        "INSERT INTO w VALUES (1, 2, 3, 4, 5, 6, 7, 8, 9, 10);",
        "UPDATE t SET _exact = 'x'; UPDATE u SET _key = 'text'; INSERT INTO u VALUES ('b', 1); UPDATE w SET excluded = 1, n = 'x';"),
    sql("quotes, spaces, backslashes and the like", f"CREATE TABLE \"a \"\"quoted\"\" name\" ({ODD_COLUMNS}); "
        "INSERT INTO \"a \"\"quoted\"\" name\" VALUES (1, x'00', 'a' || char(0), 4, 5, 6, 7); CREATE TABLE 'it''s' (a); "
        "INSERT INTO 'it''s' VALUES ('%s {} $1'); CREATE TABLE \"a.b\" (\"c.d\"); CREATE TABLE \"new\nline\" (\"\n\");"
        "INSERT INTO \"new\nline\" VALUES (x'ff');",
        "UPDATE \"a \"\"quoted\"\" name\" SET \"x y\" = 'z'; INSERT INTO 'it''s' VALUES (NULL);"),
    sql("emoji and other scripts", f'CREATE TABLE "{EMOJI}" ("{EMOJI}" INTEGER PRIMARY KEY, "ключ" TEXT); '
        f"INSERT INTO \"{EMOJI}\" VALUES (1, 'x');", f'UPDATE "{EMOJI}" SET "ключ" = x\'00\';'),
    sql("names of 200 characters", f'CREATE TABLE "{LONG}a" ("{LONG}x" PRIMARY KEY, "{LONG}y", "{LONG}z"); CREATE TABLE "{LONG}b" (a); '
        f'INSERT INTO "{LONG}a" VALUES (1, 2, 3), (\'t\', x\'00\', 1.5); INSERT INTO "{LONG}b" VALUES (1);',
        f'UPDATE "{LONG}a" SET "{LONG}z" = 4; ALTER TABLE "{LONG}a" ADD COLUMN "{LONG}w" DEFAULT 7;'),
    sql("names of four-byte characters at the limit", f"CREATE TABLE \"{'😀' * 15}abc\" (a); CREATE TABLE \"{'😀' * 16}\" (\"{'ä' * 32}\"); "
        f"INSERT INTO \"{'😀' * 16}\" VALUES (1);", f"UPDATE \"{'😀' * 16}\" SET \"{'ä' * 32}\" = 'x';"),
    sql("names that differ only in case, and in Unicode only", 'CREATE TABLE Users (Id INTEGER PRIMARY KEY, NAME); CREATE TABLE "ÄB" (x); '
        'CREATE TABLE "äb" ("Ö", "ö"); INSERT INTO Users VALUES (1, 2); INSERT INTO "äb" VALUES (1, 2);',
        'UPDATE users SET name = 3; UPDATE "äb" SET "Ö" = 5;'),
    sql("a table named like another one's key in Postgres", "CREATE TABLE a (id INTEGER PRIMARY KEY); CREATE TABLE a_pkey (x); "
        "INSERT INTO a VALUES (1); INSERT INTO a_pkey VALUES (2); CREATE TABLE a_key (x); CREATE TABLE _a (x);",
        "INSERT INTO a VALUES (2); CREATE TABLE b_pkey (x); CREATE TABLE b (y); INSERT INTO b VALUES (1);"),
    sql("empty names", 'CREATE TABLE "" ("" TEXT, b); INSERT INTO "" VALUES (\'x\', 1); CREATE TABLE " " (" ");', 'UPDATE "" SET b = \'y\';'),
    sql("names like our temporary tables", "CREATE TABLE up_0 (a); CREATE TABLE gone_0 (k0); CREATE TABLE up_1 (k0, c); CREATE TABLE n (n); "
        "INSERT INTO up_0 VALUES (1); INSERT INTO gone_0 VALUES (1), (2); INSERT INTO up_1 VALUES (1, 2); INSERT INTO n VALUES (1);",
        "UPDATE up_0 SET a = 2; DELETE FROM gone_0 WHERE k0 = 1; UPDATE up_1 SET c = 3; UPDATE n SET n = 2;"),
    sql("names like our other temporary tables and like SQLite's own functions", "CREATE TABLE sm_raw (bytes BLOB, t TEXT); "
        "CREATE INDEX on_sm_raw ON sm_raw (t); CREATE TRIGGER at_sm_raw AFTER DELETE ON sm_raw BEGIN SELECT 1; END; CREATE TABLE owners "
        "(name, path); CREATE TABLE ranges_0 (low, high); CREATE TABLE dbstat (schema, name, pageno, path); CREATE TABLE c (k0); "
        "CREATE TABLE pragma_table_list (schema, name, type); CREATE TABLE pragma_module_list (name); CREATE TABLE json_each (value); "
        "CREATE TABLE sm_first (x); INSERT INTO sm_raw VALUES (x'00', CAST(x'ff' AS TEXT)), ('text', 'a' || char(0)), (1, 'plain'); "
        "INSERT INTO owners VALUES (1, CAST(x'fe' AS TEXT)); INSERT INTO dbstat VALUES ('main', 'sm_raw', 1, '/'); "
        "INSERT INTO pragma_table_list VALUES ('main', 'nothing', 'table'); INSERT INTO ranges_0 VALUES (1, 2);",
        "UPDATE sm_raw SET t = CAST(x'fdfe' AS TEXT) WHERE bytes = 1; DELETE FROM owners; UPDATE dbstat SET path = x'ff'; "
        "INSERT INTO sm_first VALUES (1); UPDATE pragma_table_list SET name = 'other'; UPDATE ranges_0 SET low = 0;"),
    sql("tables named sidemirror, temp, main and shadow", "CREATE TABLE sidemirror (a); CREATE TABLE temp (a); CREATE TABLE main (a); "
        "CREATE TABLE shadow (a); INSERT INTO main.main VALUES (1); INSERT INTO temp VALUES (1); INSERT INTO shadow VALUES (1);",
        "UPDATE main.main SET a = 2; UPDATE temp SET a = 2; UPDATE shadow SET a = 3;"),
)  # fmt: skip
