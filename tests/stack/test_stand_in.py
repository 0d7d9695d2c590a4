"""The stand-in: a first start cut short, a password changed, and Supabase's rights where they matter."""

from __future__ import annotations

import pytest
from stack import Stack, poll, run


def test_a_first_start_that_was_killed_is_begun_anew(private: Stack) -> None:
    private.compose("up", "--detach", "postgres")
    half_made = private.volumes / "postgres" / "data.new"
    poll(
        "the cluster is being made",
        lambda: private.as_root("ls", "/volumes/postgres").stdout.count("data.new"),
        30,
    )
    run(["docker", "kill", private.container("postgres")])
    left = private.as_root("ls", "/volumes/postgres").stdout.split()
    assert half_made.name in left
    assert "data" not in left
    private.compose("up", "--detach", "--wait", "postgres")
    assert private.as_root("ls", "/volumes/postgres").stdout.split() == ["data", "tls"]
    assert private.sql("SELECT count(*) FROM pg_roles WHERE rolname = 'service_role'") == [["1"]]


def test_a_finished_cluster_survives_a_kill_with_its_data(private: Stack) -> None:
    private.compose("up", "--detach", "--wait", "postgres")
    private.sql("CREATE TABLE public.kept AS SELECT 42 AS answer")
    run(["docker", "kill", "--signal=KILL", private.container("postgres")])
    private.compose("up", "--detach", "--wait", "postgres")
    assert private.sql("SELECT answer FROM public.kept") == [["42"]]


def test_a_password_that_is_set_later_takes_effect_without_a_restart(private: Stack) -> None:
    private.compose("up", "--detach", "--wait", "postgres")
    started = private.inspect("postgres")["State"]["StartedAt"]
    private.env["SUPABASE_DB_PASSWORD"] = "another word"
    private.compose("run", "--rm", "-T", "prepare")

    def accepts(word: str) -> bool:
        conninfo = "host=127.0.0.1 port=6543 user=postgres dbname=postgres sslmode=require"
        command = f"PGPASSWORD='{word}' psql -XAtc 'SELECT 1' '{conninfo}'"
        return private.compose("exec", "-T", "postgres", "sh", "-c", command, check=False).returncode == 0

    poll("the new password is accepted", lambda: accepts("another word"), 20)
    assert private.inspect("postgres")["State"]["StartedAt"] == started


def test_the_role_postgres_has_supabases_rights_and_no_more(stack: Stack) -> None:
    rights = "rolsuper, rolcreatedb, rolcreaterole, rolreplication, rolbypassrls, rolcanlogin"
    assert stack.sql(f"SELECT {rights} FROM pg_roles WHERE rolname = 'postgres'") == [["f", "t", "t", "t", "t", "t"]]


@pytest.mark.parametrize(
    ("role", "rights"),
    [
        ("anon", ["f", "f", "f"]),
        ("authenticated", ["f", "f", "f"]),
        ("service_role", ["f", "f", "t"]),
        ("authenticator", ["t", "f", "f"]),
    ],
)
def test_the_data_api_roles_are_supabases(stack: Stack, role: str, rights: list[str]) -> None:
    query = f"SELECT rolcanlogin, rolinherit, rolbypassrls FROM pg_roles WHERE rolname = '{role}'"
    assert stack.sql(query) == [rights]


def test_a_new_table_in_public_is_open_to_anon_as_in_older_projects(private: Stack) -> None:
    private.compose("up", "--detach", "--wait", "postgres")
    private.sql("CREATE TABLE public.open (n int)", role="postgres")
    assert private.try_sql("SELECT * FROM public.open", role="anon").returncode == 0


def test_the_poolers_keep_no_session(stack: Stack) -> None:
    config = stack.host("postgres").check_output(
        "cat /etc/stand-in/pgbouncer-transaction.ini /etc/stand-in/pgbouncer.ini"
    )
    assert "pool_mode = transaction" in config
    assert "max_prepared_statements = 0" in config


@pytest.mark.parametrize("setting", [("max_connections", "60"), ("TimeZone", "UTC"), ("server_version_num", "17")])
def test_its_figures_are_supabases(stack: Stack, setting: tuple[str, str]) -> None:
    assert stack.sql(f"SHOW {setting[0]}")[0][0].startswith(setting[1])
