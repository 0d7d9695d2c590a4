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


def test_postgres_knows_how_large_a_table_is_as_soon_as_it_was_loaded(source: Source) -> None:
    fill(source, "one.db")
    source.run()
    [database] = source.read_state().databases
    [found] = source.target.query(
        "SELECT c.reltuples::bigint, (SELECT count(*) FROM pg_stats WHERE schemaname = n.nspname AND tablename = 't') "
        "FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = 't'",
        database.schema_name,
    )
    assert found[0] == ROWS, "counted by ANALYZE"
    assert found[1] >= 3, "what a column holds is known, too"


def test_a_value_that_history_could_not_keep_is_refused_and_the_other_databases_go_on(source: Source) -> None:
    source.write("CREATE TABLE t (a); INSERT INTO t VALUES (1)", "other.db")
    source.write("CREATE TABLE films (film); INSERT INTO films VALUES (zeroblob(120000001))", "films.db")
    report = source.try_run()
    [refusal] = report.refusals
    assert refusal.file == "films.db"
    assert "films.db: table films has a value of more than 120 MB" in refusal.error.what
    assert report.counts.upserted == 1


def test_many_tables_of_some_size_are_sent_in_parts_of_one_transaction(source: Source) -> None:
    for number in range(30):
        source.write(
            f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, v TEXT); WITH RECURSIVE n (i) AS "
            f"(SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100) "
            f"INSERT INTO t{number} SELECT i, hex(zeroblob(2000)) FROM n"
        )
    assert source.point().counts.upserted == 3000
    source.verify()
