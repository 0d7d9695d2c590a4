"""Nobody but the mirror's owner can reach it, and a grant that would change that ends the run loudly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import psycopg2
import pytest
from fix_source import Source

from mirror.errors import TargetExposed

ROLES = ("anon", "authenticated", "service_role")
TABLES = """
SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname)
FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'v') AND (n.nspname = 'sidemirror' OR n.nspname IN (SELECT schema_name FROM sidemirror.databases))
"""


@pytest.fixture
def mirrored(source: Source) -> Iterator[Source]:
    source.write('CREATE TABLE t (a); INSERT INTO t VALUES (1); CREATE TABLE "T 2" (b PRIMARY KEY) WITHOUT ROWID;')
    (source.json / "settings.json").write_text("{}")
    source.run()
    yield source
    source.forget()


def schema_of(source: Source) -> str:
    return source.read_state().databases[0].schema_name


@pytest.mark.parametrize("role", ROLES)
def test_a_role_of_the_data_api_can_read_nothing(role: str, mirrored: Source) -> None:
    tables = [name for (name,) in mirrored.target.query(TABLES)]
    assert len(tables) > 8
    for table in tables:
        for statement in ("SELECT * FROM {} LIMIT 0", "DELETE FROM {} WHERE false", "TRUNCATE {}"):
            with closing(mirrored.target.connect()) as connection, connection.cursor() as cursor:
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(f"BEGIN; SET LOCAL ROLE {role}; {statement.format(table)}")
                cursor.execute("ROLLBACK")


def test_row_level_security_is_on_everywhere(mirrored: Source) -> None:
    without = mirrored.target.query(
        "SELECT n.nspname, c.relname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace "
        "WHERE c.relkind IN ('r', 'p') AND NOT c.relrowsecurity "
        "AND (n.nspname = 'sidemirror' OR n.nspname IN (SELECT schema_name FROM sidemirror.databases))"
    )
    assert without == []


def test_nothing_is_put_into_public(mirrored: Source) -> None:
    assert mirrored.target.query("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize(
    "grant",
    ["USAGE ON SCHEMA {schema}", "SELECT ON {schema}.t", "SELECT (a) ON {schema}.t", "TRUNCATE ON {schema}.t",
     "SELECT ON sidemirror.history", "USAGE ON SCHEMA sidemirror"],
)  # fmt: skip
@pytest.mark.parametrize("changed", [True, False], ids=["with something to send", "with nothing to send"])
def test_a_grant_ends_the_next_run_loudly(grant: str, role: str, changed: bool, mirrored: Source) -> None:
    granted = grant.format(schema=schema_of(mirrored))
    mirrored.target.query(f"GRANT {granted} TO {role}")
    try:
        if changed:
            mirrored.write("INSERT INTO t VALUES (2)")
        with pytest.raises(TargetExposed, match=role) as caught:
            mirrored.run()
        assert "revoke" in caught.value.hint
    finally:
        mirrored.target.query(f"REVOKE {granted} FROM {role}")
    mirrored.run()


def test_a_grant_to_everyone_ends_the_next_run_loudly(mirrored: Source) -> None:
    schema = schema_of(mirrored)
    mirrored.target.query(f"GRANT USAGE ON SCHEMA {schema} TO PUBLIC")
    with pytest.raises(TargetExposed):
        mirrored.run()


def test_default_privileges_do_not_open_new_tables(mirrored: Source) -> None:
    mirrored.target.query(
        "ALTER DEFAULT PRIVILEGES GRANT ALL ON TABLES TO anon; ALTER DEFAULT PRIVILEGES GRANT ALL ON SCHEMAS TO anon"
    )
    try:
        mirrored.write("CREATE TABLE late (a)")
        mirrored.write("CREATE TABLE late (a)", "late.db")
        mirrored.run()
    finally:
        mirrored.target.query(
            "ALTER DEFAULT PRIVILEGES REVOKE ALL ON TABLES FROM anon; "
            "ALTER DEFAULT PRIVILEGES REVOKE ALL ON SCHEMAS FROM anon"
        )
    assert mirrored.target.query("SELECT * FROM sidemirror.exposed()") == []
