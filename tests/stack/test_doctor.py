"""doctor and status on running containers: in a good state, in bad ones, and when nothing runs.

Secrets are planted wherever one can be given, and everything that is said or kept anywhere is searched for them.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_stack import NewStack
from stack import Stack, poll, run
from test_page import ask

WORD = "planted-Zq9"
SECRETS = {
    "SUPABASE_DB_PASSWORD_FILE": f"{WORD}-target",
    "STATUS_PASSWORD_FILE": f"{WORD}-status",
    "ALERT_URLS_FILE": f"json://user:{WORD}@172.17.0.1:9/{WORD}",
    "DISCORD_WEBHOOK_URL_FILE": f"https://discord.example.org/api/webhooks/1/{WORD}",
}
IN_ENV = {"HEARTBEAT_URL": f"http://172.17.0.1:9/{WORD}-heartbeat"}

COMMANDS = (
    "status", "status --json", "doctor", "check", "alert-test", "backup --full", "drill", "accept", "restore --list",
)  # fmt: skip


@pytest.fixture(scope="module")
def planted(new_stack: NewStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("planted")
    files = {name: folder / name.lower() for name in SECRETS}
    for name, path in files.items():
        path.write_text(SECRETS[name])
        path.chmod(0o444)
    folder.chmod(0o755)
    stack = new_stack("planted", LOG_LEVEL="debug", **IN_ENV, **{name: str(path) for name, path in files.items()})
    yield stack
    stack.destroy()


def wrong(told: str) -> list[str]:
    return [line.removeprefix("WRONG ") for line in told.splitlines() if line.startswith("WRONG ")]


def test_where_nothing_was_ever_started_doctor_and_status_say_so(planted: Stack) -> None:
    told = planted.script("doctor", check=False)
    assert told.returncode == 1
    assert "sidecar: nothing was ever started here" in wrong(told.stdout)
    assert "service: bot was never started" in wrong(told.stdout)
    assert planted.containers() == []
    asked = planted.script("status", check=False)
    assert (asked.returncode, asked.stdout) == (1, "")
    assert "NOT SAFE: nothing was ever started here" in asked.stderr


def test_of_a_running_stack_the_only_thing_wrong_is_the_address_that_is_none(planted: Stack) -> None:
    planted.script("up")
    planted.backup()
    told = planted.script("doctor", check=False)
    assert wrong(told.stdout) == ["alerts: no address that apprise knows: DISCORD_WEBHOOK_URL"]
    assert told.returncode == 2
    for service in ("bot", "backup", "page", "postgres"):
        assert f"ok    service: {service} runs, health healthy, 0 restarts" in told.stdout
    assert "ok    ports: none can be reached from another machine" in told.stdout
    assert told.stdout.endswith("1 wrong: see the lines that begin with WRONG, the first one first.\n")
    # A wrong address stops nothing: runs go on, and the others are written to.
    assert planted.script("status").stdout.startswith("Safe: ")


def test_no_secret_is_in_anything_that_is_said_or_kept(planted: Stack) -> None:
    poll("an alert address was tried", lambda: planted.script("alert-test", check=False).returncode == 1)
    said = planted.compose("logs", "--no-color").stdout
    assert "Last Sync: " in said
    for command in (
        "status",
        "status --json",
        "doctor",
        "check",
        "alert-test",
        "backup --full",
        "drill",
        "accept",
        "restore --list",
    ):
        result = planted.script(*command.split(), check=False)
        assert result.stdout + result.stderr
        said += result.stdout + result.stderr
    password = b64encode(f"x:{SECRETS['STATUS_PASSWORD_FILE']}".encode()).decode()
    for path in ("/", "/metrics", "/nowhere"):
        said += ask(planted, path)[1] + ask(planted, path, Authorization=f"Basic {password}")[1]
    assert "sidemirror_safe" in said
    assert WORD not in said
    # What is kept: state (status, events, alerts, view, shadows, log) and the mirror itself.
    kept = planted.as_root("grep", "-rlaF", WORD, "/volumes", check=False).stdout.split()
    assert sorted(kept) == [
        f"/volumes/secrets/{name}"
        for name in (
            "backup/alert_urls", "backup/discord_webhook_url", "backup/heartbeat_url", "backup/target_password",
            "page/status_password", "postgres/target_password", "restore/target_password",
        )
    ]  # fmt: skip


def test_docker_inspect_shows_of_the_secrets_what_stands_in_env_and_that_in_one_container_that_has_ended(
    planted: Stack,
) -> None:
    shown = {}
    for container in planted.containers():
        [found] = json.loads(run(["docker", "inspect", container]).stdout)
        variables = [
            name for name, _, value in (each.partition("=") for each in found["Config"]["Env"]) if WORD in value
        ]
        if variables or WORD in json.dumps(found):
            shown[found["Config"]["Labels"]["com.docker.compose.service"]] = (variables, found["State"]["Running"])
    assert shown == {"prepare": (["HEARTBEAT_URL"], False)}


def test_a_port_that_other_machines_can_reach_is_told(planted: Stack, tmp_path: Path) -> None:
    override = tmp_path / "open.yml"
    override.write_text('services: {page: {ports: ["0.0.0.0::8080"]}}')
    planted.env["COMPOSE_FILE"] = f"docker-compose.yml:{override}"
    try:
        planted.compose("up", "--detach", "--no-deps", "page")
        told = wrong(planted.script("doctor", check=False).stdout)
    finally:
        del planted.env["COMPOSE_FILE"]
    assert [line for line in told if line.startswith("ports: other machines can reach: ")] != []


def test_with_bot_and_target_down_each_is_named_with_what_to_type(planted: Stack) -> None:
    planted.script("stop", "bot", "postgres")
    told = planted.script("doctor", check=False)
    assert told.returncode == 4
    found = wrong(told.stdout)
    assert "service: bot does not run: exited with code 0" in found
    assert "service: postgres does not run: exited with code 0" in found
    assert [line for line in found if line.startswith("connection: ")]
    assert "  Try: ./sidemirror logs bot for the reason; ./sidemirror up" in told.stdout
    assert WORD not in told.stdout + told.stderr


def test_a_sidecar_that_is_stopped_is_not_safe_and_both_say_what_they_can(planted: Stack) -> None:
    planted.script("start", "bot", "postgres")
    planted.compose("stop", "backup")
    poll("its last sign of life is old", lambda: planted.script("status", check=False).stdout.startswith("NOT KNOWN: "))
    asked = planted.script("status", check=False)
    assert asked.returncode == 1
    assert "the sidecar has not been heard from for " in asked.stdout
    assert "premium_system.db" in asked.stdout
    assert (
        asked.stderr
        == "The sidecar does not run. ./sidemirror up starts it, ./sidemirror doctor looks for the reason.\n"
    )
    told = planted.script("doctor", check=False)
    assert "service: backup does not run: exited with code 0" in wrong(told.stdout)
    assert "ok    connection: postgres:6543, " in told.stdout
    assert told.stderr == ""
    assert told.returncode > 0


def test_without_an_engine_doctor_says_how_to_have_one_and_starts_none(planted: Stack) -> None:
    elsewhere = Stack(planted.project, planted.volumes, DOCKER_HOST="tcp://127.0.0.1:9")
    told = elsewhere.script("doctor", check=False)
    assert (told.returncode, wrong(told.stdout)) == (70, ["Docker: no engine answers"])


def test_settings_that_compose_refuses_are_told_without_their_values(planted: Stack) -> None:
    half = Stack(planted.project, planted.volumes, SUPABASE_DB_HOST=f"{WORD}.example.org")
    told = half.script("doctor", check=False)
    assert told.returncode == 2
    [line] = wrong(told.stdout)
    assert line.startswith("settings: SUPABASE_DB_USER: set it in .env")
    assert WORD not in told.stdout + told.stderr
