"""Which files each container sees, and that a secret is seen by its one service alone."""

from __future__ import annotations

import pytest
from stack import SERVICES, TAG, Stack, run


def mounts(stack: Stack, service: str) -> dict[str, tuple[str, bool]]:
    """Destination: the folder under volumes/, and whether it can be written."""
    found = stack.inspect(service)["Mounts"]
    return {
        mount["Destination"]: (mount["Source"].removeprefix(f"{stack.volumes}/"), mount["RW"])
        for mount in found
        if mount["Type"] == "bind"
    }


def test_the_sidecar_sees_the_bots_files_read_only(stack: Stack) -> None:
    assert mounts(stack, "backup") == {
        "/data/sqlite": ("sqlite", False),
        "/data/json": ("json", False),
        "/state": ("state", True),
        "/notes": ("notes", False),
        "/ca": ("ca", False),
        "/run/secrets": ("secrets/backup", False),
    }


def test_the_sidecar_cannot_write_delete_or_add_a_file_of_the_bot(stack: Stack) -> None:
    host = stack.host("backup")
    assert host.file("/data/sqlite/premium_system.db").exists
    assert host.run("touch /data/sqlite/probe /data/json/probe").failed
    assert host.run("rm /data/sqlite/premium_system.db").failed
    assert host.run("sh -c ': >> /data/sqlite/premium_system.db'").failed
    assert host.file("/data/sqlite/premium_system.db").exists


def test_the_bot_sees_its_data_and_nothing_else(stack: Stack) -> None:
    assert mounts(stack, "bot") == {
        "/data/sqlite": ("sqlite", True),
        "/data/json": ("json", True),
        "/data/emergency": ("emergency", True),
    }


def test_the_stand_in_of_telegram_sees_nothing(stack: Stack) -> None:
    assert mounts(stack, "telegram") == {}


def test_the_stand_in_sees_its_own_folders(stack: Stack) -> None:
    assert mounts(stack, "postgres") == {
        "/var/lib/postgresql": ("postgres", True),
        "/ca": ("ca", True),
        "/run/secrets": ("secrets/postgres", False),
    }


def test_the_restore_job_would_get_its_own_secret_and_a_read_only_state(stack: Stack) -> None:
    command = ["run", "--rm", "-T", "--no-deps", "--entrypoint", "sh", "restore", "-c"]
    seen = stack.compose(
        *command,
        "ls /run/secrets; touch /state/probe || echo no; "
        "touch /data/sqlite/.probe && rm /data/sqlite/.probe && echo yes",
    )
    assert seen.stdout.split() == ["target_password", "no", "yes"]


@pytest.mark.parametrize(
    ("name", "owner"), [("backup", "10001:10001"), ("restore", "10001:10001"), ("postgres", "999:999")]
)
def test_a_secret_can_be_read_by_its_service_alone(stack: Stack, name: str, owner: str) -> None:
    folder = f"/volumes/secrets/{name}"
    found = stack.as_root("stat", "-c", "%u:%g %a", folder, f"{folder}/target_password").stdout.split("\n")
    assert found[:2] == [f"{owner} 500", f"{owner} 400"]
    alerts = ["alert_urls", "discord_webhook_url", "heartbeat_url"] if name == "backup" else []
    assert stack.as_root("ls", folder).stdout.split() == [*alerts, "target_password"]


def test_the_bot_cannot_find_a_secret_anywhere(stack: Stack) -> None:
    assert stack.host("bot").run("ls /run/secrets").stdout == ""
    assert stack.host("bot").run("find / -name target_password -not -path '/proc/*'").stdout == ""


def password(stack: Stack) -> str:
    return stack.as_root("cat", "/volumes/secrets/postgres/target_password").stdout


def test_the_password_is_in_no_environment_command_line_or_setting_of_a_container(stack: Stack) -> None:
    secret = password(stack)
    assert len(secret) >= 24
    assert secret not in run(["docker", "inspect", *stack.containers()]).stdout
    for service in SERVICES:
        seen = stack.host(service).run("cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null")
        assert secret not in seen.stdout


def test_the_password_is_in_no_log(stack: Stack) -> None:
    secret = password(stack)
    logs = run(["docker", "compose", "--profile", "*", "logs"], stack.env)
    assert secret not in logs.stdout + logs.stderr
    found = stack.as_root(
        "grep",
        "-rlF",
        secret,
        "/volumes/state",
        "/volumes/sqlite",
        "/volumes/json",
        "/volumes/ca",
        check=False,
    )
    assert found.stdout == ""


@pytest.mark.parametrize("image", ["bot", "telegram", "backup", "restore", "postgres", "prepare"])
def test_no_image_holds_settings_data_or_secrets(stack: Stack, image: str) -> None:
    looking_for = [
        "-name",
        ".env*",
        "-o",
        "-name",
        "target_password",
        "-o",
        "-name",
        "*.db",
        "-o",
        "-path",
        "*/volumes/*",
        "-o",
        "-name",
        ".git",
    ]
    command = [
        "docker",
        "run",
        "--rm",
        "--network=none",
        "--user=0:0",
        "--entrypoint=find",
        f"sidemirror/{image}:{TAG}",
    ]
    assert run([*command, "/", "-xdev", "(", *looking_for, ")", "-not", "-path", "/proc/*"]).stdout == ""
    history = run(["docker", "history", "--no-trunc", "--format", "{{.CreatedBy}}", f"sidemirror/{image}:{TAG}"]).stdout
    assert password(stack) not in history


@pytest.mark.parametrize("image", ["bot", "telegram", "backup", "restore"])
def test_the_ca_bundle_that_the_build_trusted_stays_out_of_the_image(stack: Stack, image: str) -> None:
    command = ["docker", "run", "--rm", "--network=none", "--entrypoint=find", f"sidemirror/{image}:{TAG}"]
    assert run([*command, "/run/secrets", "/venv", "-path", "/run/secrets/ca"], check=False).stdout == ""


def test_the_log_stands_in_the_state_folder_with_its_last_sync_line(stack: Stack) -> None:
    log = stack.host("backup").file("/state/supabase_backup.log")
    assert log.user in ("10001", "") or log.uid == 10001
    assert "Last Sync: 20" in log.content_string
