"""What others lay into `public`, which is on everybody's path, is never called, be it functions or operators."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from commanding import backup
from fix_source import Source
from fix_target import Target
from restoring import fill_all, restore

import mirror

CALLED = re.compile(r"\b([a-z][a-z0-9_]+)\(")
CODE = Path(mirror.__file__).parents[1]

# With each signature of Postgres' own, before it on the path; more cannot be laid.
# With each signature of Postgres' own. What cannot be laid (polymorphic ones, say) is left out.
LAY = """
DO $$
DECLARE
    f record;
    made integer := 0;
    hostile text := 'BEGIN RAISE EXCEPTION ''hostile %%s''; END';
BEGIN
    FOR f IN
        SELECT p.proname AS name, pg_get_function_identity_arguments(p.oid) AS arguments,
            pg_get_function_result(p.oid) AS result
        FROM pg_proc AS p
        WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND p.proname = ANY (%s)
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION public.%%I (%%s) RETURNS %%s LANGUAGE plpgsql AS %%L',
                f.name, f.arguments, f.result, format(hostile, f.name));
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    FOR f IN
        SELECT o.oprname AS name, o.oprleft::regtype AS l, o.oprright::regtype AS r, o.oprresult::regtype AS result
        FROM pg_operator AS o
        WHERE o.oprkind = 'b' AND o.oprname IN ('=', '<>', '<', '>', '<=', '>=', '||', '+', '-', '*', '->', '->>')
            AND o.oprleft::regtype::text IN ('text', 'integer', 'bigint', 'name', 'uuid', 'bytea', 'oid', 'jsonb',
                'boolean', 'timestamp with time zone', 'smallint', 'text[]')
    LOOP
        BEGIN
            EXECUTE format('CREATE FUNCTION public.op_%%s (%%s, %%s) RETURNS %%s LANGUAGE plpgsql AS %%L',
                made, f.l, f.r, f.result, format(hostile, f.name));
            EXECUTE format('CREATE OPERATOR public.%%s (LEFTARG = %%s, RIGHTARG = %%s, FUNCTION = public.op_%%s)',
                f.name, f.l, f.r, made);
            made := made + 1;
        EXCEPTION WHEN OTHERS THEN NULL;
        END;
    END LOOP;
    CREATE TABLE public.laid AS SELECT made;
END
$$;
"""


def called() -> list[str]:
    """Every name before a bracket in our SQL and in the code that makes it."""
    found: set[str] = set()
    for package in ("mirror", "backup", "restore"):
        for path in (CODE / package).rglob("*"):
            if path.suffix in (".py", ".sql"):
                found.update(CALLED.findall(path.read_text(encoding="utf-8")))
    return sorted(found)


@pytest.fixture
def hostile(source: Source) -> Iterator[Source]:
    home = Target("postgres", source.target.environ)
    name = source.target.name
    source.target.query(LAY, called())
    home.query(f"ALTER ROLE CURRENT_USER IN DATABASE {name} SET search_path = public, pg_catalog")
    try:
        home.query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", name)
        yield source
    finally:
        home.query(f"ALTER ROLE CURRENT_USER IN DATABASE {name} RESET search_path")
        home.query("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", name)


def test_no_function_or_operator_of_public_is_called_though_public_comes_first(hostile: Source) -> None:
    [(laid,)] = hostile.target.query("SELECT made FROM public.laid")
    assert laid > 150
    fill_all(hostile)
    wrong = []
    commands = ("once", "once --full", "status", "drill", "doctor", "check", "repair", "accept")
    for done in (
        *(backup(hostile, *command.split()) for command in commands),
        *(restore(hostile, *command.split()) for command in ("--list", "--dry-run", "--yes")),
    ):
        said = done.stdout + done.stderr
        if "hostile" in said or "SQLSTATE" in said:
            wrong.append((done.args[-1], done.returncode, said))
    assert wrong == []
    assert {*hostile.target.query("SELECT ok FROM sidemirror.drills")} == {(True,)}
