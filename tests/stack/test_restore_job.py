"""The restore job as a container: with and without a terminal, refused, hindered, and told by the sidecar."""

from __future__ import annotations

import os
import pty
import subprocess
from collections.abc import Iterator
from contextlib import suppress

import pytest
from fix_stack import NewStack
from stack import ROOT, Result, Stack, poll, run

FILES = ["stat", "-c", "%n %i %u:%g %a", "/volumes/sqlite/idle.db", "/volumes/json/data.json"]


@pytest.fixture(scope="module")
def idle(new_stack: NewStack) -> Stack:
    """A stack whose bot is idle in a rollback-journal mode; what it wrote is mirrored."""
    override = f"{ROOT}/docker-compose.yml:{ROOT}/tests/stack/idle_bot.yml"
    stack = new_stack("idle", COMPOSE_FILE=override)
    stack.compose("up", "--detach", "--wait", "bot", "backup")
    stack.backup()
    return stack


@pytest.fixture
def stopped(idle: Stack) -> Iterator[Stack]:
    """The same while its bot does not run."""
    idle.compose("stop", "--timeout", "5", "bot")
    yield idle
    idle.compose("start", "bot")


def files(stack: Stack) -> str:
    return stack.as_root(*FILES).stdout


def job(stack: Stack, *options: str) -> Result:
    """The job by Compose alone, as a plain `docker compose run`."""
    return stack.compose("run", "--rm", "-T", "--no-deps", *options, check=False)


def at_a_terminal(stack: Stack, answer: str, *command: str) -> tuple[int, str]:
    """What a person sees: exit code, and all that the screen got."""
    inner, outer = pty.openpty()
    process = subprocess.Popen(command, cwd=ROOT, env=stack.env, stdin=outer, stdout=outer, stderr=outer)
    os.close(outer)
    screen = b""
    with suppress(OSError):  # how Linux tells the end of a pseudo-terminal
        while data := os.read(inner, 65536):
            screen += data
            if answer and b"[y/N]" in screen:
                os.write(inner, f"{answer}\n".encode())
                answer = ""
    os.close(inner)
    return process.wait(timeout=120), screen.decode(errors="replace")


def test_it_is_refused_while_the_bot_runs_though_nothing_is_locked(idle: Stack) -> None:
    before = files(idle)
    for refused in (idle.script("restore", "--yes", check=False), job(idle, "restore", "--yes")):
        assert refused.returncode == 10, refused.stdout + refused.stderr
        assert "the bot is running: the service bot is up" in refused.stderr
        assert "docker compose stop bot" in refused.stderr
    assert job(idle, "restore", "--yes", "--only", "data.json").returncode == 10
    assert files(idle) == before
    assert idle.script("restore", "--list").returncode == 0
    assert idle.script("restore", "--replaced").returncode == 0


def test_the_bot_and_the_job_meet_on_a_network_with_nobody_else_and_no_way_out(idle: Stack) -> None:
    name = f"{idle.project}_presence"
    found = run(["docker", "network", "inspect", name, "--format", "{{.Internal}} {{len .Containers}}"]).stdout
    assert found.split() == ["true", "1"]


def test_at_a_terminal_a_person_is_asked_and_sees_a_bar(stopped: Stack) -> None:
    before = files(stopped)
    code, screen = at_a_terminal(stopped, "n", "./sidemirror", "restore")
    assert (code, "nothing was changed" in screen, files(stopped)) == (13, True, before)
    code, screen = at_a_terminal(stopped, "y", "./sidemirror", "restore")
    assert code == 0, screen
    assert "3 of 3 rows" in screen
    assert "100%" in screen
    assert "content equal to the target" in screen
    assert [line.split()[2:] for line in files(stopped).splitlines()] == [["10001:10001", "600"]] * 2
    assert files(stopped) != before


def test_without_a_terminal_it_needs_yes_and_speaks_in_plain_lines(stopped: Stack) -> None:
    unasked = stopped.script("restore", check=False)
    assert (unasked.returncode, "--yes" in unasked.stderr) == (13, True)
    told = stopped.script("restore", "--yes").stdout
    assert "content equal to the target" in told
    assert "\x1b[" not in told


def test_the_sidecar_tells_it_in_its_log(stopped: Stack) -> None:
    host = stopped.host("backup")
    stopped.script("restore", "--yes")
    told = stopped.script("restore", "--undo", "--yes").stdout
    assert "Undone" in told
    log = host.file("/state/supabase_backup.log")
    poll("the undoing is in the log", lambda: "Undone: " in log.content_string)
    assert "Restored run " in log.content_string
    assert '"kind": "Restored"' in host.file("/state/events.jsonl").content_string


def test_a_bot_that_crashes_over_a_corrupt_file_is_to_be_stopped_first_and_then_gets_it_back(idle: Stack) -> None:
    idle.compose("stop", "--timeout", "5", "bot")
    idle.as_root("sh", "-c", "echo this is no database >/volumes/sqlite/idle.db")
    idle.compose("start", "bot")
    poll("it is started again and again", lambda: idle.inspect("bot")["RestartCount"] > 2)
    before = files(idle)
    for _ in range(3):
        refused = idle.script("restore", "--yes", check=False)
        assert (refused.returncode, "docker compose stop bot" in refused.stderr) == (10, True), refused.stderr
    assert files(idle) == before
    idle.compose("stop", "--timeout", "5", "bot")
    idle.script("restore", "--yes")
    idle.script("start", "bot")
    poll("it is well", lambda: idle.health("bot") == "healthy")


def bare(stack: Stack, *options: str, sqlite: str = "/data/sqlite") -> Result:
    """The job as root without Compose: whatever somebody types in an emergency."""
    settings = stack.inspect("restore-on-empty")["Config"]
    environ = [f"--env={line}" for line in settings["Env"]]
    places = {
        "sqlite": sqlite,
        "json": "/data/json",
        "state": "/state",
        "ca": "/ca",
        "secrets/restore": "/run/secrets",
    }
    mounts = [f"--volume={stack.volumes}/{name}:{place}" for name, place in places.items()]
    root = ["docker", "run", "--rm", "--user=0:0", f"--network={stack.project}_target", *options, *environ, *mounts]
    return run([*root, settings["Image"], "--yes"], check=False)


def test_where_it_may_not_write_or_give_files_to_the_bot_it_says_so_and_touches_nothing(stopped: Stack) -> None:
    before = files(stopped)
    read_only = bare(stopped, sqlite="/data/sqlite:ro")
    assert (read_only.returncode, "its file system is read-only" in read_only.stderr) == (9, True), read_only.stderr
    other = bare(stopped, "--cap-drop=CHOWN")
    assert other.returncode == 9
    assert "would belong to user 0, but the bot's files belong to user 10001" in other.stderr
    assert "./sidemirror restore" in other.stderr
    assert files(stopped) == before


def test_run_by_root_its_files_belong_to_the_bot(stopped: Stack) -> None:
    stopped.as_root("rm", "/volumes/json/data.json")
    told = bare(stopped)
    assert "content equal to the target" in told.stdout, told.stderr
    assert [line.split()[2:] for line in files(stopped).splitlines()] == [["10001:10001", "600"]] * 2
