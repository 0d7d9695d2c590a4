"""How often a run waits for the target: each time costs the distance to it, wherever it is."""

from __future__ import annotations

from typing import Any

import pytest
from fix_source import Source

from mirror import target

TABLES = 7


class CountingCursor(target.OwnPath):
    """The cursor of each connection. A statement, however long, is one question and one answer; a COPY is two."""

    round_trips = 0

    def execute(self, *arguments: Any) -> None:
        CountingCursor.round_trips += 1
        super().execute(*arguments)

    def copy_expert(self, *arguments: Any, **options: Any) -> None:
        CountingCursor.round_trips += 2
        super().copy_expert(*arguments, **options)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> type[CountingCursor]:
    """Counts from now on."""
    monkeypatch.setattr(target, "OwnPath", CountingCursor)
    monkeypatch.setattr(CountingCursor, "round_trips", 0)
    return CountingCursor


@pytest.fixture
def seven_tables(source: Source) -> Source:
    """Two databases, seven tables of 1,000 rows, and one document."""
    for number in range(TABLES):
        source.write(
            f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c REAL);"
            "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000) "
            f"INSERT INTO t{number} SELECT i, 'row ' || i, i, i / 3.0 FROM n;",
            f"bot{number % 2}.db",
        )
    (source.json / "data.json").write_text("{}")
    source.run()
    return source


def test_a_hundred_changed_rows_in_seven_tables_take_at_most_four_round_trips(
    seven_tables: Source, counted: type[CountingCursor]
) -> None:
    for number in range(TABLES):
        seven_tables.write(
            f"UPDATE t{number} SET a = 'changed' WHERE id <= 12; DELETE FROM t{number} WHERE id BETWEEN 20 AND 21;"
            f"INSERT INTO t{number} (a) VALUES ('new')",
            f"bot{number % 2}.db",
        )
    (seven_tables.json / "data.json").write_text('{"changed": true}')
    counts = seven_tables.run().counts
    assert (counts.upserted, counts.deleted, counts.documents) == (13 * TABLES, 2 * TABLES, 1)
    assert 1 < counted.round_trips <= 4


def test_a_run_with_nothing_new_asks_twice_where_the_target_is_and_who_can_read_it(
    seven_tables: Source, counted: type[CountingCursor]
) -> None:
    assert not seven_tables.run().committed
    assert counted.round_trips == 2


def test_another_database_takes_at_most_five(seven_tables: Source, counted: type[CountingCursor]) -> None:
    seven_tables.write("CREATE TABLE new (a); INSERT INTO new VALUES (1), (2)", "new.db")
    assert seven_tables.run().counts.upserted == 2
    assert counted.round_trips <= 5


def test_nothing_goes_to_public(seven_tables: Source) -> None:
    found = seven_tables.target.query(
        "SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'type', typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace"
    )
    assert found == []
