"""./sidemirror: what it says and which code it ends with."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from stack import ROOT, Stack, run


def test_help_names_every_command_that_the_script_knows() -> None:
    text = (ROOT / "sidemirror").read_text()
    cases = [
        line.strip().split(")")[0] for line in text.split("case $command in")[1].splitlines() if line.startswith("    ")
    ]
    commands = {name for name in cases if name.isalpha()}
    shown = run(["./sidemirror", "help"]).stdout
    assert {"up", "down", "test", "backup", "restore", "status", "logs", "build", "check"} <= commands
    assert [name for name in sorted(commands) if f"./sidemirror {name}" not in shown] == []


def test_an_unknown_command_ends_with_64_and_the_help() -> None:
    result = run(["./sidemirror", "upp"], check=False)
    assert result.returncode == 64
    assert "./sidemirror up " in result.stderr


@pytest.fixture
def without_docker(tmp_path: Path) -> Iterator[dict[str, str]]:
    """An environment whose PATH has everything but Docker."""
    for folder in ("/usr/bin", "/usr/sbin"):
        for program in Path(folder).iterdir():
            link = tmp_path / program.name
            if not program.name.startswith("docker") and not link.exists():
                link.symlink_to(program)
    yield {"PATH": str(tmp_path), "HOME": str(tmp_path), "SIDEMIRROR_NO_INSTALL": "1"}
    shutil.rmtree(tmp_path)


def test_without_docker_it_prints_the_commands_and_ends_with_69(without_docker: dict[str, str]) -> None:
    result = run(["./sidemirror", "up"], without_docker, check=False)
    assert result.returncode == 69
    assert "found: none" in result.stderr
    assert "needed: 20.10 or newer" in result.stderr
    if Path("/etc/debian_version").exists():
        assert "apt-get install" in result.stderr


def test_an_engine_elsewhere_that_does_not_answer_ends_with_70() -> None:
    env = {**os.environ, "DOCKER_HOST": "tcp://127.0.0.1:9"}
    result = run(["./sidemirror", "up"], env, check=False)
    assert result.returncode == 70
    assert "DOCKER_HOST" in result.stderr


def test_up_a_second_time_changes_nothing_and_shows_where_things_are(stack: Stack) -> None:
    # Where other tests build at the same time, an image can be another one, and then a new container is right: once more.
    for _ in range(3):
        before = [stack.container(service) for service in ("bot", "backup", "postgres")]
        shown = stack.script("up").stdout
        after = [stack.container(service) for service in ("bot", "backup", "postgres")]
        if after == before:
            break
    assert after == before
    for expected in (str(stack.volumes), "./sidemirror psql", "./sidemirror status", "127.0.0.1:"):
        assert expected in shown


def test_status_shows_every_database_and_document(stack: Stack) -> None:
    shown = stack.script("status").stdout
    for name in ("premium_system", "user_requests", "data.json"):
        assert name in shown


def test_check_finds_the_target_safe(stack: Stack) -> None:
    assert stack.script("check").returncode == 0


def test_drill_restores_everything_and_status_shows_what_it_took(stack: Stack) -> None:
    stack.script("drill")
    shown = stack.script("status", check=False).stdout
    assert "Last drill " in shown
    assert " downloaded" in shown


def test_repair_puts_back_what_somebody_changed_in_the_mirror(stack: Stack) -> None:
    stack.backup()
    stack.sql("DELETE FROM bot_premium_system.payment_history WHERE id = 1")
    repaired = stack.script("repair")
    assert "Put right: premium_system.db: table payment_history: 1 rows missing (keys [1])" in repaired.stdout
    assert stack.sql("SELECT count(*) FROM bot_premium_system.payment_history WHERE id = 1") == [["1"]]


def test_doctor_finds_nothing_wrong_and_shows_no_password(stack: Stack) -> None:
    told = stack.script("doctor").stdout
    for expected in (
        "Docker: ",
        "disk of volumes/: ",
        "service: backup runs, health healthy, 0 restarts",
        "certificate: ",
    ):
        assert f"ok    {expected}" in told
    assert "WRONG" not in told
    assert told.splitlines()[-1].startswith("Nothing is wrong.")
    assert stack.as_root("cat", "/volumes/secrets/backup/target_password").stdout.strip() not in told


def test_backup_while_the_sidecar_is_down_says_what_to_do(private: Stack) -> None:
    result = private.script("backup", check=False)
    assert result.returncode == 1
    assert "./sidemirror up" in result.stderr
