"""Who can reach whom: the bot no Postgres, the network no port, the Data API's roles no mirrored row."""

from __future__ import annotations

import subprocess

import pytest
from stack import SERVICES, Stack

API_ROLES = ("anon", "authenticated", "service_role")
OURS = "nspname = 'sidemirror' OR nspname LIKE 'bot\\_%'"

CONNECT = """
import socket, sys
try:
    socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=2).close()
except OSError as error:
    sys.exit(f"unreachable: {error}")
"""


def connects(stack: Stack, service: str, host: str, port: int) -> bool:
    command = ["exec", "-T", service, "python3", "-c", CONNECT, host, str(port)]
    return stack.compose(*command, check=False).returncode == 0


def addresses(stack: Stack, service: str) -> list[str]:
    networks = stack.inspect(service)["NetworkSettings"]["Networks"]
    return [network["IPAddress"] for network in networks.values()]


@pytest.mark.parametrize("port", [5432, 5433, 6543])
def test_the_bot_cannot_reach_postgres_by_name_or_address(stack: Stack, port: int) -> None:
    assert connects(stack, "backup", "postgres", port), "the way the sidecar goes must be open"
    for target in ["postgres", *addresses(stack, "postgres")]:
        assert not connects(stack, "bot", target, port)


def test_the_bot_shares_no_network_with_the_mirror(stack: Stack) -> None:
    networks = {service: set(stack.inspect(service)["NetworkSettings"]["Networks"]) for service in SERVICES}
    assert networks["bot"].isdisjoint(networks["backup"] | networks["postgres"])


def test_every_published_port_is_on_this_machine_only(stack: Stack) -> None:
    published = {}
    for service in SERVICES:
        for port, bindings in stack.inspect(service)["NetworkSettings"]["Ports"].items():
            published |= {(service, port): {binding["HostIp"] for binding in bindings or []}}
    open_ports = {name: hosts for name, hosts in published.items() if hosts}
    ours = [("page", "8080/tcp"), ("postgres", "5432/tcp"), ("postgres", "6543/tcp")]
    assert open_ports == {port: {"127.0.0.1"} for port in ours}


def mirrored_tables(stack: Stack) -> list[str]:
    query = f"""
        SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p') AND ({OURS}) ORDER BY 1"""
    return [row[0] for row in stack.sql(query)]


def test_every_table_of_the_bot_is_mirrored(stack: Stack) -> None:
    tables = mirrored_tables(stack)
    for table in (
        "bot_premium_system.premium_subscriptions",
        "bot_premium_system.payment_history",
        "bot_premium_system.refunds",
        "bot_premium_system.refunded_groups",
        "bot_premium_system.pending_payments",
        "bot_user_requests.user_requests",
        "bot_user_requests.command_requests",
        "bot_user_requests.message_owners",
        "bot_user_requests.linked_messages",
    ):
        assert table in tables


@pytest.mark.parametrize("role", API_ROLES)
def test_a_data_api_role_cannot_read_a_single_mirrored_table(stack: Stack, role: str) -> None:
    tables = mirrored_tables(stack)
    assert tables
    for table in tables:
        refused = stack.try_sql(f"SELECT * FROM {table} LIMIT 1", role)
        assert refused.returncode
        assert "permission denied" in refused.stderr


def test_the_data_api_roles_hold_no_right_on_schemas_tables_or_functions(stack: Stack) -> None:
    for role in API_ROLES:
        rights = f"""
            SELECT nspname, 'schema' FROM pg_namespace
            WHERE ({OURS}) AND has_schema_privilege('{role}', oid, 'USAGE, CREATE')
            UNION ALL
            SELECT relname, 'table' FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
            WHERE relkind IN ('r', 'p', 'v', 'm') AND ({OURS})
              AND has_table_privilege(
                  '{role}', pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
        """
        assert stack.sql(rights) == []


def test_row_level_security_is_on_without_a_policy(stack: Stack) -> None:
    without = f"""
        SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
        WHERE relkind IN ('r', 'p') AND ({OURS}) AND NOT relrowsecurity"""
    assert stack.sql(without) == []
    assert stack.sql("SELECT policyname FROM pg_policies") == []


def test_nothing_of_the_mirror_stands_in_public_or_in_the_realtime_publication(stack: Stack) -> None:
    assert stack.sql("SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace") == []
    assert stack.sql("SELECT tablename FROM pg_publication_tables WHERE pubname = 'supabase_realtime'") == []


def stand_in(stack: Stack, conninfo: str, password: str | None = None) -> subprocess.CompletedProcess[str]:
    """A connection from inside the stand-in's container, over TCP."""
    word = f"'{password}'" if password else "$(cat /run/secrets/target_password)"
    command = f"PGPASSWORD={word} psql -XAtc 'SELECT current_user' 'host=127.0.0.1 dbname=postgres {conninfo}'"
    return stack.compose("exec", "-T", "postgres", "sh", "-c", command, check=False)


@pytest.mark.parametrize("port", [5432, 5433, 6543])
class TestTheStandIn:
    def test_takes_postgres_over_a_verified_connection(self, stack: Stack, port: int) -> None:
        tls = "sslmode=verify-full sslrootcert=/ca/local.crt"
        assert stand_in(stack, f"user=postgres port={port} {tls}").stdout.strip() == "postgres"

    def test_refuses_a_connection_without_tls(self, stack: Stack, port: int) -> None:
        assert stand_in(stack, f"user=postgres port={port} sslmode=disable").returncode

    def test_refuses_a_wrong_password(self, stack: Stack, port: int) -> None:
        assert stand_in(stack, f"user=postgres port={port} sslmode=require", password="wrong").returncode

    @pytest.mark.parametrize("user", ["supabase_admin", "pgbouncer", "anon"])
    def test_refuses_everyone_else_over_tcp(self, stack: Stack, port: int, user: str) -> None:
        assert stand_in(stack, f"user={user} port={port} sslmode=require").returncode
