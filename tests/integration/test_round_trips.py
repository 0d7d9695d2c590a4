"""How often a run waits for the target: each time costs the distance to it, wherever it is."""

from __future__ import annotations

import pytest
from fix_source import Source
from wire import Wire, wire

from backup.config import BackupSettings
from backup.run import Report, run
from mirror import settings
from mirror.target import connected

TABLES = 7


def counted(source: Source, cable: Wire, kind: str = "run") -> tuple[Report, int]:
    """A run, and the round trips that it made beyond those of connecting."""
    config = settings.load(BackupSettings, source.environ | cable.environ)
    before = cable.round_trips
    with connected(config):
        pass
    connecting = cable.round_trips - before
    before = cable.round_trips
    report = run(config, kind)
    return report, cable.round_trips - before - connecting


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


def test_a_hundred_changed_rows_in_seven_tables_take_at_most_four_round_trips(seven_tables: Source) -> None:
    for number in range(TABLES):
        source_file = f"bot{number % 2}.db"
        seven_tables.write(
            f"UPDATE t{number} SET a = 'changed' WHERE id <= 10; DELETE FROM t{number} WHERE id > 998;"
            f"INSERT INTO t{number} (a) VALUES ('new'), ('newer'), ('newest')",
            source_file,
        )
    (seven_tables.json / "data.json").write_text('{"changed": true}')
    with wire(seven_tables) as cable:
        report, round_trips = counted(seven_tables, cable)
    # Two deleted ids are given out again, so those rows are updates.
    assert (report.counts.upserted, report.counts.deleted, report.counts.documents) == (13 * TABLES, 0, 1)
    assert round_trips <= 4


def test_a_run_with_nothing_new_takes_at_most_two(seven_tables: Source) -> None:
    with wire(seven_tables) as cable:
        report, round_trips = counted(seven_tables, cable)
    assert not report.committed
    assert round_trips <= 2


def test_the_first_run_of_a_second_database_in_a_known_source_takes_few_round_trips(seven_tables: Source) -> None:
    seven_tables.write("CREATE TABLE new (a); INSERT INTO new VALUES (1), (2)", "new.db")
    with wire(seven_tables) as cable:
        report, round_trips = counted(seven_tables, cable)
    assert (report.counts.upserted, round_trips <= 5) == (2, True)


def test_nothing_goes_to_public(seven_tables: Source) -> None:
    found = seven_tables.target.query(
        "SELECT 'relation', relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'function', proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace "
        "UNION ALL SELECT 'type', typname::text FROM pg_type WHERE typnamespace = 'public'::regnamespace"
    )
    assert found == []
