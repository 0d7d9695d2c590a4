""".env.example tells every variable, and one line of .env switches the target."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from stack import ROOT, Stack

COMPOSE_FILES = [ROOT / "docker-compose.yml", *sorted((ROOT / "services" / "compose").glob("*.yml"))]


def used_variables() -> set[str]:
    text = "\n".join(path.read_text() for path in COMPOSE_FILES)
    passed_on = re.findall(r"^ +([A-Z][A-Z_]+):$", text, re.MULTILINE)
    return set(re.findall(r"\$\{([A-Z_]+)", text)) | set(passed_on)


def test_env_example_names_every_variable_and_no_other() -> None:
    named = re.findall(r"^#?([A-Z][A-Z_]+)=", (ROOT / ".env.example").read_text(), re.MULTILINE)
    assert len(named) == len(set(named))
    assert set(named) == used_variables()


def test_env_example_gives_no_secret_a_value() -> None:
    for line in (ROOT / ".env.example").read_text().splitlines():
        if "PASSWORD=" in line:
            assert line.endswith("PASSWORD=")


def config(stack: Stack, **env: str) -> dict[str, Any]:
    changed = Stack(stack.project, stack.volumes, **env)
    text = changed.compose("--profile", "restore", "config", "--format", "json").stdout
    found: dict[str, Any] = json.loads(text)["services"]
    return found


def target_of(services: dict[str, Any], name: str) -> dict[str, str]:
    keys = ("HOST", "PORT", "USER", "SSLMODE", "SSLROOTCERT")
    return {key: services[name]["environment"][f"SUPABASE_DB_{key}"] for key in keys}


@pytest.mark.parametrize("service", ["backup", "restore"])
def test_without_settings_the_target_is_the_stand_in(stack: Stack, service: str) -> None:
    services = config(stack)
    assert "postgres" in services
    assert target_of(services, service) == {
        "HOST": "postgres",
        "PORT": "6543",
        "USER": "postgres",
        "SSLMODE": "verify-full",
        "SSLROOTCERT": "/ca/local.crt",
    }


@pytest.mark.parametrize("service", ["backup", "restore"])
def test_the_host_alone_switches_port_and_ca_and_leaves_the_stand_in_out(stack: Stack, service: str) -> None:
    services = config(stack, SUPABASE_DB_HOST="aws-0.example.org", SUPABASE_DB_USER="postgres.ref")
    assert "postgres" not in services
    assert target_of(services, service) == {
        "HOST": "aws-0.example.org",
        "PORT": "5432",
        "USER": "postgres.ref",
        "SSLMODE": "verify-full",
        "SSLROOTCERT": "/ca/supabase.crt",
    }


def test_a_host_without_a_user_is_refused_with_the_way_out(stack: Stack) -> None:
    changed = Stack(stack.project, stack.volumes, SUPABASE_DB_HOST="aws-0.example.org")
    refused = changed.compose("config", check=False)
    assert refused.returncode
    assert "SUPABASE_DB_USER" in refused.stderr


def test_without_a_webhook_the_bot_has_no_way_out_and_no_address_to_send_to(stack: Stack) -> None:
    bot = config(stack)["bot"]
    assert sorted(bot["networks"]) == ["chat", "presence"]
    assert [name for name in bot["environment"] if name.startswith("DISCORD")] == []


def test_a_webhook_gives_the_bot_a_way_out_beside_the_stand_in(stack: Stack) -> None:
    url = "https://discord.example.org/api/webhooks/1/secret"
    services = config(stack, DISCORD_WEBHOOK_URL=url)
    assert sorted(services["bot"]["networks"]) == ["bot", "chat", "presence"]
    assert services["bot"]["environment"]["DISCORD_WEBHOOK_URL"] == url
    # The one-shot writes it for the sidecar's alerts into a file that the sidecar alone can read.
    assert {name for name in services if url in json.dumps(services[name])} == {"bot", "prepare"}


def test_a_webhook_in_a_file_reaches_the_bot_as_a_file_also_with_a_token(stack: Stack) -> None:
    bot = config(stack, DISCORD_WEBHOOK_URL_FILE="/etc/webhook", BOT_TOKEN="1:a")["bot"]
    assert sorted(bot["networks"]) == ["bot", "presence"]
    mounted = {each["target"]: each for each in bot["volumes"]}[bot["environment"]["DISCORD_WEBHOOK_URL_FILE"]]
    assert (mounted["source"], mounted["read_only"]) == ("/etc/webhook", True)


def test_the_second_place_can_be_another_disk_and_is_prepared_there(stack: Stack) -> None:
    services = config(stack, EMERGENCY_DIR="/mnt/other")
    found = {
        name: [each["target"] for each in services[name]["volumes"] if each["source"] == "/mnt/other"]
        for name in ("bot", "prepare", "backup")
    }
    assert found == {"bot": ["/data/emergency"], "prepare": ["/volumes/emergency"], "backup": []}
    assert services["bot"]["environment"]["EMERGENCY_DIR"] == "/data/emergency"


def test_a_bot_of_ones_own_is_never_built_here(stack: Stack) -> None:
    services = config(stack, BOT_IMAGE="example/bot:1")
    assert services["bot"]["image"] == "example/bot:1"
    assert "build" not in services["bot"]
    assert services["bot"]["read_only"] is True
