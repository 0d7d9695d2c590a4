"""`up` on machines without a working Docker: what it says, what it asks, what it would run, and how it ends.

Each machine is a container of the base image without a network: the repository read-only, the os-release of another system.
"""

from __future__ import annotations

import os
import pty
import subprocess
from pathlib import Path

import pytest
from stack import ROOT, Result, run

NAMES = {"debian-12": "bookworm", "debian-13": "trixie", "ubuntu-24.04": "noble", "fedora-40": ""}
PLANS = {
    "debian-12": [
        "docker.io iptables",
        "Codename: bookworm",
        "$site trixie main",
        "download docker-compose docker-buildx",
    ],
    "debian-13": ["docker.io docker-cli iptables docker-compose docker-buildx"],
    "ubuntu-24.04": ["docker.io iptables docker-compose-v2 docker-buildx"],
}

DOCKER = """#!/bin/sh
# A client of an engine that answers once dockerd was started.
case "$*" in
    'version --format'*) [ -e /run/engine ] && echo "${ENGINE:-28.0.0}" ;;
    'compose version --short') echo "${COMPOSE:-2.30.0}" ;;
    'buildx version') echo 'github.com/docker/buildx v0.20.0 abc' ;;
    *) exit 1 ;;
esac
"""


def machine(tmp_path: Path, system: str, *options: str) -> list[str]:
    """The command that types `./sidemirror up` there."""
    name, _, version = system.partition("-")
    release = tmp_path / "os-release"
    release.write_text(
        f'ID={name}\nVERSION_ID="{version}"\nVERSION_CODENAME={NAMES[system]}\nPRETTY_NAME="{name} {version}"\n'
    )
    mounts = [f"--volume={ROOT}:/app:ro", f"--volume={release}:/etc/os-release:ro"]
    return ["docker", "run", "--rm", "--network=none", *mounts, *options, "debian:trixie-slim", "/app/sidemirror", "up"]


def up(tmp_path: Path, system: str, *options: str) -> Result:
    return run(machine(tmp_path, system, *options), check=False)


@pytest.mark.parametrize("system", PLANS)
@pytest.mark.parametrize("who", ["--env=SIDEMIRROR_NO_INSTALL=1", "--user=65534"])
def test_what_is_missing_and_the_commands_that_install_it_are_printed(tmp_path: Path, system: str, who: str) -> None:
    result = up(tmp_path, system, who)
    assert result.returncode == 69
    for part, needed in (("Docker Engine", "20.10"), ("Docker Compose", "2.20.2"), ("Docker buildx", "any")):
        assert f"{part:<15}  found: none   needed: {needed}" in result.stderr
    for line in PLANS[system]:
        assert line in result.stderr
    assert "nothing was installed" in result.stderr


def test_a_system_that_is_not_known_is_told_what_to_install(tmp_path: Path) -> None:
    result = up(tmp_path, "fedora-40")
    assert result.returncode == 69
    assert "No way is known here to install Docker on this system (fedora 40)." in result.stderr


def test_on_a_terminal_it_says_what_it_will_install_and_asks(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = machine(tmp_path, "debian-13", "--interactive", "--tty")
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True) as process:
        os.close(theirs)
        said = b""
        try:
            while chunk := os.read(ours, 4096):
                said += chunk
                if b"[Y/n]" in chunk:
                    os.write(ours, b"n\n")
        except OSError:
            pass  # the other side has ended
        assert process.wait(60) == 69
    os.close(ours)
    assert b"This will install, from this machine's own package sources: docker.io docker-cli iptables" in said
    assert b"Nothing was installed." in said


def test_without_a_terminal_it_goes_ahead_and_a_package_manager_that_fails_is_heard(tmp_path: Path) -> None:
    result = up(tmp_path, "debian-13")
    assert result.returncode == 69
    assert "==> Installing" in result.stderr
    assert "The installation failed; the package manager's words are above." in result.stderr
    assert "E: " in result.stderr


@pytest.fixture
def engine(tmp_path: Path) -> list[str]:
    """The options of a machine that has Docker, with its engine not running."""
    for name, text in {"docker": DOCKER, "dockerd": "#!/bin/sh\ntouch /run/engine\nexec sleep 60\n"}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    return [f"--volume={tmp_path / name}:/usr/local/bin/{name}:ro" for name in ("docker", "dockerd")]


def test_an_engine_that_does_not_run_is_started(tmp_path: Path, engine: list[str]) -> None:
    result = up(tmp_path, "debian-13", "--init", "--env=SIDEMIRROR_NO_INSTALL=1", *engine)
    assert "==> Starting the Docker engine" in result.stderr
    assert "==> Fetching the base image" in result.stderr, "it goes on with what comes next"


def test_an_engine_that_does_not_run_is_no_matter_of_a_person_who_is_not_root(
    tmp_path: Path, engine: list[str]
) -> None:
    result = up(tmp_path, "debian-13", "--user=65534", *engine)
    assert result.returncode == 70
    assert "sudo systemctl start docker" in result.stderr


@pytest.mark.parametrize(("part", "version"), [("ENGINE", "19.03.5"), ("COMPOSE", "2.19.1")])
def test_what_is_too_old_is_told_with_what_is_needed(
    tmp_path: Path, engine: list[str], part: str, version: str
) -> None:
    result = up(tmp_path, "debian-12", f"--env={part}={version}", *engine)
    assert result.returncode == 69
    assert f"found: {version}" in result.stderr
    assert "Docker on this machine is too old." in result.stderr
