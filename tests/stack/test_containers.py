"""What every container is held to: who it runs as, what it may, how it is kept alive."""

from __future__ import annotations

import pytest
from stack import SERVICES, Stack, poll

USERS = {"bot": 10001, "telegram": 10002, "backup": 10001, "page": 10001, "postgres": 999}
every_service = pytest.mark.parametrize("service", SERVICES)


def status_of_pid_1(stack: Stack, service: str) -> dict[str, str]:
    lines = stack.host(service).check_output("cat /proc/1/status").splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


@every_service
def test_every_process_runs_as_the_services_own_user_and_never_as_root(stack: Stack, service: str) -> None:
    host = stack.host(service)
    owners = host.check_output("stat -c %u /proc/[0-9]* 2>/dev/null || true").split()
    assert {int(owner) for owner in owners} == {USERS[service]}


@every_service
def test_no_process_has_a_capability_or_can_gain_one(stack: Stack, service: str) -> None:
    status = status_of_pid_1(stack, service)
    sets = [status[name] for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")]
    assert sets == ["0000000000000000"] * 5
    assert status["NoNewPrivs"] == "1"


@every_service
def test_the_root_file_system_is_read_only_and_tmp_is_not(stack: Stack, service: str) -> None:
    host = stack.host(service)
    assert "ro" in host.mount_point("/").options
    assert host.run("touch /probe /etc/probe /var/probe").failed
    assert host.run("touch /tmp/probe && rm /tmp/probe").succeeded


@every_service
def test_memory_processes_cpus_and_logs_are_bounded(stack: Stack, service: str) -> None:
    settings = stack.inspect(service)["HostConfig"]
    assert settings["Memory"] > 0
    assert settings["NanoCpus"] > 0
    assert settings["PidsLimit"] > 0
    assert settings["LogConfig"] == {"Type": "json-file", "Config": {"max-file": "3", "max-size": "10m"}}


@every_service
def test_it_is_restarted_when_it_ends_and_has_time_to_stop(stack: Stack, service: str) -> None:
    found = stack.inspect(service)
    assert found["HostConfig"]["RestartPolicy"]["Name"] == "unless-stopped"
    assert found["Config"]["StopTimeout"] >= 30


@every_service
def test_it_is_healthy_by_a_check_that_does_its_work(stack: Stack, service: str) -> None:
    assert stack.inspect(service)["Config"]["Healthcheck"]["Test"][0] == "CMD"
    poll(f"{service} is healthy", lambda: stack.health(service) == "healthy")


@pytest.mark.parametrize(
    ("service", "first"),
    [
        ("bot", "docker-init"),
        ("telegram", "docker-init"),
        ("backup", "supervisord"),
        ("page", "docker-init"),
        ("postgres", "stand-in"),
    ],
)
def test_pid_1_is_one_that_reaps_and_passes_signals_on(stack: Stack, service: str, first: str) -> None:
    command = stack.host(service).check_output("tr '\\0' ' ' </proc/1/cmdline")
    assert first in command


def scheduler(stack: Stack) -> int:
    """The scheduler's process id in the sidecar as supervisor tells it; 0 while it does not run."""
    control = "supervisorctl -c /app/backup/supervisord.conf pid sidecar:scheduler"
    answer = stack.host("backup").run(control).stdout.strip()
    return int(answer) if answer.isdigit() else 0


def test_supervisor_starts_the_scheduler_anew_when_it_is_killed(stack: Stack) -> None:
    killed = poll("the scheduler runs", lambda: scheduler(stack))
    stack.host("backup").check_output(f"kill -9 {killed}")
    revived = poll("another scheduler runs", lambda: scheduler(stack) not in (0, killed) and scheduler(stack))
    assert revived != killed
    poll("the sidecar is well again", lambda: stack.host("backup").run("python -m backup.health").succeeded)


def test_a_start_of_the_sidecar_logs_no_alarm(stack: Stack) -> None:
    assert "CRIT" not in stack.compose("logs", "--no-color", "backup").stdout
    assert "RUNNING" in stack.host("backup").check_output("supervisorctl -c /app/backup/supervisord.conf status fatal")


def test_a_stand_in_whose_pooler_dies_starts_anew(stack: Stack) -> None:
    started = stack.inspect("postgres")["State"]["StartedAt"]
    poolers = "grep -lx pgbouncer /proc/[0-9]*/comm | cut -d/ -f3"
    stack.host("postgres").check_output(f"kill -9 $({poolers} | tail -n 1)")
    poll("it was started anew", lambda: stack.inspect("postgres")["State"]["StartedAt"] != started)
    poll("it is healthy", lambda: stack.health("postgres") == "healthy")
