"""The role for analysts: off until it is turned on, reads everything then, writes nothing, and opens no door to others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg2
import pytest
from commanding import backup
from fix_source import Source

from backup.reader import ROLE, is_on, turn
from mirror.target import connected


@pytest.fixture
def mirrored(source: Source) -> Iterator[Source]:
    source.write("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); INSERT INTO t VALUES (1, 'one'), (2, 'two');")
    (source.json / "settings.json").write_text('{"a": 1}')
    source.run()
    yield source
    with connected(source.settings) as connection:
        turn(connection, on=False)
    source.forget()


@pytest.fixture
def anna(mirrored: Source) -> Iterator[str]:
    """A person who was given the role."""
    with connected(mirrored.settings) as connection:
        turn(connection, on=True)
    name = f"anna_{uuid4().hex[:8]}"
    mirrored.target.query(f'CREATE ROLE {name} IN ROLE "{ROLE}"; GRANT {name} TO current_user')
    yield name
    mirrored.target.query(f"DROP ROLE {name}")


def ask(source: Source, who: str, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
    with closing(source.target.connect()) as connection, connection.cursor() as cursor:
        cursor.execute(f"BEGIN; SET LOCAL ROLE {who}")
        cursor.execute(statement, arguments or None)
        found = cursor.fetchall() if cursor.description else []
        cursor.execute("ROLLBACK")
        return found


def schema_of(source: Source) -> str:
    return source.read_state().databases[0].schema_name


def test_it_is_off_until_somebody_turns_it_on(mirrored: Source) -> None:
    with connected(mirrored.settings) as connection:
        assert not is_on(connection)
    result = backup(mirrored, "reader")
    assert (result.returncode, "can read nothing" in result.stdout) == (0, True)


def test_a_person_with_the_role_reads_mirror_history_and_documents(mirrored: Source, anna: str) -> None:
    mirrored.write("UPDATE t SET a = 'ONE' WHERE id = 1")
    mirrored.run()
    assert ask(mirrored, anna, f"SELECT * FROM {schema_of(mirrored)}.t ORDER BY id") == [
        (1, "ONE", None),
        (2, "two", None),
    ]
    changes = "SELECT change, before ->> 'a', after ->> 'a' FROM sidemirror.changes(%s, 'bot.db', 't', 1, 2)"
    assert ask(mirrored, anna, changes, mirrored.name) == [("updated", "one", "ONE")]
    assert ask(mirrored, anna, "SELECT body FROM sidemirror.documents_now WHERE source = %s", mirrored.name) == [
        ({"a": 1},)
    ]


def test_what_is_mirrored_later_is_open_to_the_role_as_well(mirrored: Source, anna: str) -> None:
    mirrored.write("CREATE TABLE later (id INTEGER PRIMARY KEY); INSERT INTO later VALUES (7);")
    mirrored.write("CREATE TABLE t (x INTEGER); INSERT INTO t VALUES (3);", "second.db")
    mirrored.run()
    first, second = (database.schema_name for database in mirrored.read_state().databases)
    assert ask(mirrored, anna, f"SELECT id FROM {first}.later") == [(7,)]
    assert ask(mirrored, anna, f"SELECT x FROM {second}.t") == [(3,)]


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT INTO {schema}.t (id) VALUES (9)",
        "UPDATE {schema}.t SET a = ''",
        "DELETE FROM {schema}.t",
        "TRUNCATE {schema}.t",
        "DROP TABLE {schema}.t",
        "CREATE TABLE {schema}.mine (a integer)",
        "DELETE FROM sidemirror.runs",
        "SELECT sidemirror.begin_run('x', gen_random_uuid(), 'x', 0, gen_random_uuid())",
        "SELECT sidemirror.reader_off()",
    ],
)
def test_a_person_with_the_role_writes_nothing(mirrored: Source, anna: str, statement: str) -> None:
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(mirrored, anna, statement.format(schema=schema_of(mirrored)))
    assert mirrored.run().run == 1


def test_the_roles_of_the_data_api_stay_outside(mirrored: Source, anna: str) -> None:
    assert mirrored.target.query("SELECT * FROM sidemirror.exposed()") == []
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(mirrored, "authenticated", f"SELECT * FROM {schema_of(mirrored)}.t")


def test_the_role_given_to_the_data_api_stops_the_next_run(mirrored: Source, anna: str) -> None:
    mirrored.target.query(f'GRANT "{ROLE}" TO authenticated WITH INHERIT TRUE')
    try:
        result = backup(mirrored, "once")
        assert result.returncode == 5
        assert "authenticated can reach" in result.stderr
    finally:
        mirrored.target.query(f'REVOKE "{ROLE}" FROM authenticated')


def test_turned_off_it_reads_nothing_any_more(mirrored: Source, anna: str) -> None:
    assert f'IN ROLE "{ROLE}"' in backup(mirrored, "reader", "on").stdout
    assert "can read nothing" in backup(mirrored, "reader", "off").stdout
    for table in (f"{schema_of(mirrored)}.t", "sidemirror.runs", "sidemirror.documents_now"):
        with pytest.raises(psycopg2.errors.InsufficientPrivilege):
            ask(mirrored, anna, f"SELECT * FROM {table}")
