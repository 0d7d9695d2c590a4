"""Change sets that are too large to go inside the statements: they are staged by COPY."""

from __future__ import annotations

from fix_source import Source

ROWS = 30_000


def fill(source: Source, file: str) -> None:
    source.write("CREATE TABLE t (id INTEGER PRIMARY KEY, note TEXT, amount INTEGER)", file)
    with source.database(file) as connection:
        connection.execute("BEGIN")
        rows = ((number, f"a note of some length, number {number}", number % 7) for number in range(ROWS))
        connection.executemany("INSERT INTO t VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")


def test_large_changes_in_two_databases_go_in_one_run(source: Source) -> None:
    for file in ("one.db", "two.db"):
        fill(source, file)
    source.point()
    for file in ("one.db", "two.db"):
        source.write("UPDATE t SET note = note || '!' WHERE id % 2 = 0; DELETE FROM t WHERE id % 5 = 0", file)

    counts = source.point().counts

    assert (counts.upserted, counts.deleted) == (2 * ROWS * 2 // 5, 2 * ROWS // 5)
    source.verify()
