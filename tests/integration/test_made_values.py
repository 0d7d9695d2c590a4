"""A few bytes of SQL make gigabytes: such a file is refused by name, with bounded memory and time, and all others go on."""

from __future__ import annotations

import pytest
from fix_source import Source

from backup import budget
from backup.run import Report
from mirror.errors import SourceUnsupported

ROWS = (
    "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) INSERT INTO t (id) SELECT i FROM n;"
)


def many_rows(rows: int, columns: str) -> str:
    return f"CREATE TABLE t (id INTEGER PRIMARY KEY, {columns}); {ROWS.format(rows)}"


def refused(source: Source, told: str) -> Report:
    """One run, in which bad.db and nothing else is refused."""
    report = source.try_run()
    assert [(refusal.file, type(refusal.error)) for refusal in report.refusals] == [("bad.db", SourceUnsupported)]
    assert told in str(report.refusals[0].error)
    return report


@pytest.mark.parametrize(
    ("script", "told"),
    [
        (many_rows(10_000, "g TEXT AS (printf('%.*c', 20000000, 'x'))"), "one of them is too large"),
        (many_rows(10_000, "g AS (printf('%.*c', 20000000, 'x'))"), "one of them is too large"),
        (many_rows(200, "g TEXT AS (printf('%.*c', 5000000, 'x'))"), "many more bytes than are in the file"),
        (many_rows(200, "g AS (zeroblob(5000000))"), "many more bytes than are in the file"),
    ],
)
def test_a_file_whose_own_sql_makes_large_values_is_refused_by_name(source: Source, script: str, told: str) -> None:
    source.write(script, "bad.db")
    source.write("CREATE TABLE t (a, g AS (a || 'x')); INSERT INTO t VALUES (1), (2);", "good.db")
    assert refused(source, told).committed
    assert [database.file for database in source.read_state().databases] == ["good.db"]


def test_one_whose_own_sql_takes_long_is_refused_as_well(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "_SECONDS", 0.2)
    monkeypatch.setattr(budget, "_INSTRUCTIONS", 100)
    source.write(many_rows(2000, "g INTEGER AS (length(replace(hex(zeroblob(1000000)), '0', 'ab')))"), "bad.db")
    source.write("CREATE TABLE t (a); INSERT INTO t VALUES (1)", "good.db")
    assert refused(source, "they take too long").committed


def test_values_that_grow_later_leave_the_mirror_as_it_was(source: Source) -> None:
    source.write("CREATE TABLE t (id INTEGER PRIMARY KEY, n, g AS (printf('%.*c', n, 'x')));", "bad.db")
    source.write("WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 200) "
                 "INSERT INTO t (id, n) SELECT i, i FROM n;", "bad.db")  # fmt: skip
    assert source.point().committed
    source.write("UPDATE t SET n = 600000", "bad.db")
    assert not refused(source, "all other databases go on").committed
    source.write("UPDATE t SET n = 3 WHERE id > 2; UPDATE t SET n = 2000000 WHERE id < 3", "bad.db")
    assert source.point().committed
    source.verify()
