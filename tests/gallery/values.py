"""Values: every class in every kind of column, and the ones that are easy to lose."""

from __future__ import annotations

import math
import sqlite3

from gallery.case import Case, Raw, insert, rows

DECLARED = (
    "INTEGER", "INT", "BIGINT", "REAL", "DOUBLE", "TEXT", "VARCHAR(3)", "BLOB", "", "BOOLEAN", "NUMERIC",
    "DECIMAL(10,5)", "MONEY", "DATE", "DATETIME", "JSON", "ANY", "FLOATING POINT", "CHARINT",
)  # fmt: skip

INTEGERS = [0, 1, -1, 2, 127, -128, 2**31, 2**53 - 1, 2**53, 2**53 + 1, 2**63 - 1, -(2**63), 10**18]
REALS = [
    0.0, -0.0, 0.1, 1.5, -1.5, 1.0, 2.0, 100.0, 1e15, 1e16, 1e21, 2.0**53, 2.0**63, -(2.0**63), 2.0**64, math.pi,
    0.1 + 0.2, 1 / 3, 1.7976931348623157e308, 2.2250738585072014e-308, 5e-324, -5e-324, math.inf, -math.inf, 1e-7,
    123456789.12345678, 9007199254740993.0, 4.35, 1e22, 1e23, 9.5367431640625e-07,
]  # fmt: skip
TEXTS = [
    "", " ", "a", "0", "1", "007", "1.0", "1.50", "-0", "1e3", "12e", "0x10", "inf", "nan", "NULL", "null", "\\N", "\\.",
    "\\", "\\\\", "\\n", "\t", "\n", "\r", "\r\n", "a\tb\nc\\d", "'", '"', "''", "{}", '{"a": null}', "true", "t", "\x01",
    "\x1f\x7f\x80", "ä", "e\u0301", "\ufeffa", "\uffff", "\U0001f600", "\U0010ffff", "x" * 5000, "9223372036854775808",
    "9223372036854775807", "2026-11-22", "2026-11-22T10:00:00.000Z", "10:00", "\u2028", "\x0b\x0c\x08", "%s", "$1", "{}",
]  # fmt: skip
NUL_TEXTS = ["\0", "a\0", "\0a", "a\0b", "1\0"]
# One of each class of code points, the edges of their encodings, and the ones that are no characters.
POINTS = [
    0x01, 0x7F, 0x80, 0x7FF, 0x800, 0xD7FF, 0xE000, 0xFDD0, 0xFDEF, 0xFEFF, 0xFFFC, 0xFFFD, 0xFFFE, 0xFFFF, 0x10000,
    0x1F600, 0x1FFFE, 0x1FFFF, 0xFFFFF, 0x100000, 0x10FFFE, 0x10FFFF,
]  # fmt: skip
SURROGATES = [0xD800, 0xDBFF, 0xDC00, 0xDFFF]
CODECS = {"UTF-8": "utf-8", "UTF-16le": "utf-16-le", "UTF-16be": "utf-16-be"}
LARGE = 1_100_000  # bytes: more than values.BIG_BYTES
BLOBS = [b"", b"\0", b"a", b"\xff\x00\xfe", b"\\x41", b"1", bytes(range(256)), b"\0" * 5000]
INVALID = [
    Raw(b"\xff"), Raw(b"a\xc3"), Raw(b"\xed\xa0\x80"), Raw(b"\xc0\x80"), Raw(b"\xf4\x90\x80\x80"), Raw(b"\x80\0\x80"),
]  # fmt: skip


def _every_class(connection: sqlite3.Connection, encoding: str = "UTF-8") -> None:
    columns = ", ".join(f"c{number} {declared}" for number, declared in enumerate(DECLARED))
    connection.execute(f"PRAGMA encoding = '{encoding}'")
    connection.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns})")
    for value in (None, *INTEGERS[:6], *REALS[:12], *TEXTS[:20], *NUL_TEXTS, *BLOBS[:4]):
        connection.execute(f"INSERT INTO t VALUES (NULL, {', '.join('?' * len(DECLARED))})", [value] * len(DECLARED))


def _swap_classes(connection: sqlite3.Connection) -> None:
    count = connection.execute("SELECT max(id) FROM t").fetchone()[0]
    for number in range(len(DECLARED)):
        connection.execute(
            f"UPDATE t SET c{number} = (SELECT o.c{number} FROM t o WHERE o.id = ? - t.id) WHERE id % 3 = 0",
            [count + 1],
        )


def _one_column(values: list[object]) -> list[tuple[object, ...]]:
    return [(value,) for value in values]


def _same_number_other_class(connection: sqlite3.Connection) -> None:
    connection.execute(
        "UPDATE t SET a = CASE typeof(a) WHEN 'integer' THEN CAST(a AS REAL) ELSE CAST(a AS INTEGER) END"
    )
    connection.execute("UPDATE t SET b = CASE typeof(b) WHEN 'text' THEN CAST(b AS BLOB) ELSE CAST(b AS TEXT) END")


def _numbers_in_two_classes(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE t (a, b)")
    insert(connection, [(1, "x"), (1.0, b"x"), (0, ""), (0.0, b""), (2**40, "1"), (5.0, b"\0")])


def _large(connection: sqlite3.Connection) -> None:
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, body, n INTEGER)")
    connection.execute("INSERT INTO t VALUES (1, zeroblob(5000000), 1)")
    connection.execute("INSERT INTO t VALUES (2, replace(hex(zeroblob(2500000)), '0', 'ä'), 'a text of no number')")
    connection.execute("INSERT INTO t VALUES (3, CAST(x'ff' || zeroblob(1000000) AS TEXT), 3)")


def _large_changed(connection: sqlite3.Connection) -> None:
    connection.execute("UPDATE t SET body = body || 'end', n = n + 1")


def _large_among_many(connection: sqlite3.Connection, encoding: str = "UTF-8") -> None:
    """The ranges of rowids of `many` are hashed by themselves; `few` is hashed whole; `k` has no rowids."""
    connection.execute(f"PRAGMA encoding = '{encoding}'")
    connection.executescript(
        "CREATE TABLE many (id INTEGER PRIMARY KEY, body, n); CREATE TABLE few (body BLOB, t TEXT); "
        "CREATE TABLE k (k TEXT PRIMARY KEY, body BLOB) WITHOUT ROWID; "
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
        "INSERT INTO many SELECT i, 'row ' || i, i FROM n;"
        f"UPDATE many SET body = zeroblob({LARGE}) WHERE id IN (7, 700);"
        f"UPDATE many SET body = replace(hex(zeroblob({LARGE // 2})), '00', 'aä') WHERE id IN (8, 1400);"
        f"UPDATE many SET body = CAST(x'ff' || zeroblob({LARGE}) AS TEXT) WHERE id = 1999;"
        f"INSERT INTO few VALUES (zeroblob({LARGE}), 'x'), (x'00', hex(zeroblob({LARGE // 2}))), (x'01', 'y');"
        f"INSERT INTO k VALUES ('a', zeroblob({LARGE})), ('b', zeroblob({LARGE}));"
    )


def _large_gone_and_other(connection: sqlite3.Connection) -> None:
    connection.executescript(
        "UPDATE many SET body = CAST(body || 'end' AS BLOB) WHERE id IN (7, 8); "
        "DELETE FROM many WHERE id IN (700, 1400, 1999);"
        "UPDATE few SET body = CAST(x'ff' || body AS BLOB) WHERE rowid = 1; DELETE FROM few WHERE rowid = 2;"
        "UPDATE k SET body = CAST(x'ff' || body AS BLOB) WHERE k = 'a'; DELETE FROM k WHERE k = 'b';"
    )


def _code_points(encoding: str) -> Case:
    """Texts as the bytes that they are in the file: from what Python binds, SQLite makes U+FFFD of some in UTF-16."""

    def raw(*points: int) -> Raw:
        return Raw("".join(map(chr, points)).encode(CODECS[encoding], "surrogatepass"))

    texts = [raw(*points) for point in POINTS for points in ((point,), (0x61, point), (point, 0x62, point))]
    texts += [raw(*points) for point in SURROGATES for points in ((point,), (0x61, point, 0x62), (point, point))]
    texts += [raw(0xDC00, 0xD800), raw(*([0x78] * 600_000), 0xFFFF), raw(0xFEFF, 0xFFFE), Raw(raw(0x61, 0x62) + b"\0")]

    def fill(connection: sqlite3.Connection, values: list[Raw]) -> None:
        insert(connection, [(text, text, text, index) for index, text in enumerate(values)])
        connection.execute("INSERT OR REPLACE INTO w SELECT v, v FROM t WHERE length(v) < 10")

    def make(connection: sqlite3.Connection) -> None:
        connection.execute(f"PRAGMA encoding = '{encoding}'")
        connection.execute("CREATE TABLE t (v TEXT PRIMARY KEY, i INTEGER, x, n INTEGER)")
        connection.execute("CREATE TABLE w (k TEXT PRIMARY KEY, x) WITHOUT ROWID")
        fill(connection, texts[::2])

    def change(connection: sqlite3.Connection) -> None:
        connection.execute("UPDATE t SET x = v || 'end' WHERE n % 3 = 1")
        connection.execute("DELETE FROM t WHERE n % 3 = 2")
        fill(connection, texts[1::2])

    return Case(f"every class of code points, {encoding}", make, change)


CASES: tuple[Case, ...] = (
    Case("every class in every kind of column", _every_class, _swap_classes),
    Case("every class in every kind of column, UTF-16le", lambda c: _every_class(c, "UTF-16le"), _swap_classes),
    Case("every class in every kind of column, UTF-16be", lambda c: _every_class(c, "UTF-16be"), _swap_classes),
    rows("integers at the edges", "CREATE TABLE t (v INTEGER)", _one_column(INTEGERS), _one_column(INTEGERS[::-1])),
    rows("reals at the edges", "CREATE TABLE t (v REAL)", _one_column(REALS), _one_column(REALS[::-1])),
    rows("reals without a declared type", "CREATE TABLE t (v)", _one_column(REALS), _one_column(REALS[::-1])),
    rows("reals in NUMERIC", "CREATE TABLE t (v NUMERIC)", _one_column(REALS), _one_column(INTEGERS)),
    rows("reals in INTEGER", "CREATE TABLE t (v INTEGER)", _one_column(REALS), _one_column(TEXTS)),
    rows("integers in REAL", "CREATE TABLE t (v REAL)", _one_column(INTEGERS), _one_column(TEXTS)),
    rows("texts of every kind", "CREATE TABLE t (v TEXT)", _one_column(TEXTS), _one_column([None, *TEXTS])),
    rows("texts in NUMERIC", "CREATE TABLE t (v NUMERIC)", _one_column(TEXTS), _one_column(NUL_TEXTS)),
    rows("texts in DATETIME", "CREATE TABLE t (v DATETIME)", _one_column(TEXTS), _one_column(INTEGERS)),
    rows("texts with NUL", "CREATE TABLE t (v TEXT, w INTEGER)", [(t, t) for t in NUL_TEXTS], [("\0x", 0)]),
    rows("texts that are not UTF-8", "CREATE TABLE t (v TEXT)", _one_column(INVALID), _one_column(["ok", *INVALID])),
    rows(
        "texts that are not UTF-16",
        "PRAGMA encoding = 'UTF-16le'; CREATE TABLE t (v TEXT)",
        _one_column([Raw(b"\x00\xd8"), Raw(b"a\0\x00\xdc"), Raw(b"\x00\xd8a\0"), Raw(b"\xff\xfea\0"), "\ufeffbom", "ok"]),
        _one_column([Raw(b"a\0\0\0b\0"), Raw(b"\0\xdc\0\xd8"), Raw(b"abc"), Raw(b"a")]),
    ),
    rows("blobs in every kind of column", "CREATE TABLE t (a BLOB, b TEXT, c INTEGER, d REAL, e NUMERIC)",
         [(b, b, b, b, b) for b in BLOBS], [(b, b, b, b, b) for b in BLOBS]),
    rows("booleans other than 0 and 1", "CREATE TABLE t (v BOOLEAN, w BOOL)",
         [(0, 1), (1, 0), (2, -1), ("t", "true"), (0.5, "1"), (None, b"1"), (1.0, 0.0)], [(2**62, "f")]),
    rows("empty text against NULL", "CREATE TABLE t (v TEXT, w BLOB)", [("", b""), (None, None), ("", None)], [(None, b"")]),
    Case("the same number in another class", _numbers_in_two_classes, _same_number_other_class),
    *map(_code_points, CODECS),
    Case("values of megabytes", _large, _large_changed),
    Case("values of megabytes in small and large tables", _large_among_many, _large_gone_and_other),
    Case(
        "values of megabytes in small and large tables, UTF-16be",
        lambda c: _large_among_many(c, "UTF-16be"),
        _large_gone_and_other,
    ),
)  # fmt: skip
