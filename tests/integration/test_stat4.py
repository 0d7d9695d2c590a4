"""A bot whose SQLite is built with STAT4, as apsw's is: what ANALYZE sampled comes back, and its planner decides by it."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
from fix_source import Source

# Nearly all rows have one value of `a` and one of `c`: only samples tell that the index is good for the others.
START = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b INTEGER, c TEXT COLLATE NOCASE);
CREATE TABLE w (k TEXT, n INTEGER, v, PRIMARY KEY (k, n)) WITHOUT ROWID;
CREATE INDEX by_a ON t (a);
CREATE INDEX by_b ON t (b);
CREATE INDEX by_c ON t (c, id);
CREATE INDEX by_v ON w (v) WHERE v IS NOT NULL;
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
INSERT INTO t SELECT i, iif(i % 50 = 0, i, 1), i % 20, iif(i % 40 = 0, 'Rare ' || i, 'usual') FROM n;
INSERT INTO w SELECT c, id, iif(id % 3 = 0, CAST(c AS BLOB), id / 7.0) FROM t;
ANALYZE;
"""
CHANGE = "UPDATE t SET a = 2000 - id, b = 7 WHERE id > 300; DELETE FROM w WHERE n % 4 = 1; ANALYZE;"
QUERIES = (
    "SELECT * FROM t WHERE a = 1 AND b = 3",
    "SELECT * FROM t WHERE a = 50 AND b = 3",
    "SELECT * FROM t WHERE c = 'USUAL' AND b = 3",
    "SELECT * FROM t WHERE c = 'rare 40' AND b = 3",
    "SELECT * FROM w WHERE v > 100 AND k = 'usual'",
)


def execute(path: Path, statements: str) -> None:
    with closing(apsw.Connection(str(path))) as connection:
        connection.execute(statements)


def facts(path: Path) -> tuple[list[object], list[object]]:
    """Its samples, and the plan of each query."""
    with closing(apsw.Connection(str(path))) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        samples = connection.execute("SELECT * FROM sqlite_stat4 ORDER BY rowid").fetchall()
        plans = [connection.execute(f"EXPLAIN QUERY PLAN {query}").fetchall() for query in QUERIES]
    assert len(samples) > 20
    return samples, plans


def test_what_stat4_sampled_comes_back_and_the_planner_decides_by_it(source: Source) -> None:
    assert "ENABLE_STAT4" in apsw.compile_options
    bot = source.sqlite / "bot.db"
    expected = {}
    for statements in (START, CHANGE):
        execute(bot, statements)
        run = source.point().run
        assert run is not None
        expected[run] = facts(bot)
    (_, plans), (_, later) = expected.values()
    assert plans[0] != plans[1], "the plans would be the same without samples"
    assert plans != later

    source.verify()

    for run, before in expected.items():
        assert facts(source.rebuild(run)["bot.db"]) == before
    assert not source.run("full").committed
