"""A whole Sidemirror of the tests' own: its project name, its folder for volumes/, its ports."""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import subnets
import testinfra
from testinfra.host import Host

ROOT = Path(__file__).resolve().parents[2]
TAG = os.environ.get("SIDEMIRROR_TAG", "local")
SERVICES = ("bot", "telegram", "backup", "page", "postgres")

Result = subprocess.CompletedProcess[str]


def run(command: Iterable[str], env: Mapping[str, str] | None = None, check: bool = True, **options: Any) -> Result:
    """Runs a command in the repository; its whole output is in the failure."""
    command = list(command)
    result = subprocess.run(command, cwd=ROOT, env=env, text=True, capture_output=True, timeout=300, **options)
    if check and result.returncode:
        words = " ".join(command)
        raise AssertionError(
            f"{words}: exit code {result.returncode}\n{result.stdout[-6000:]}\n{result.stderr[-6000:]}"
        )
    return result


def poll(what: str, look: Callable[[], Any], seconds: float = 300) -> Any:
    """The first true outcome of `look`; an AssertionError that says `what` after the deadline, which is far away: machines
    have other things to do."""
    deadline = time.monotonic() + seconds
    while not (outcome := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        threading.Event().wait(0.25)
    return outcome


class Stack:
    """One Compose project. Nothing of the developer's own .env or project reaches it."""

    def __init__(self, project: str, volumes: Path, **settings: str) -> None:
        self.project = project
        self.volumes = volumes
        self.volumes.mkdir(parents=True, exist_ok=True)
        keep = {
            name: os.environ[name]
            for name in os.environ
            if not name.startswith(("SUPABASE_", "BOT_", "STATUS_", "SIDEMIRROR_"))
        }
        self.env = keep | {
            "COMPOSE_PROJECT_NAME": project,
            "COMPOSE_ENV_FILES": "/dev/null",
            "SIDEMIRROR_VOLUMES": str(volumes),
            "STAND_IN_PORT": "0",
            "STAND_IN_POOLER_PORT": "0",
            "STATUS_PORT": "0",
            # The tests say when a run happens, apart from the one at the sidecar's start.
            "BACKUP_EVERY": "6h",
            "BACKUP_ON_CHANGE": "off",
            # Enough for something to happen all the time; a stack that is only there takes little from the others.
            "BOT_TRAFFIC": "5",
            # They are there: a build for each start takes its time, and two at once can end in two images.
            "SIDEMIRROR_BUILD": "off",
        }
        self.env |= {
            name: os.environ[name] for name in os.environ if name in ("SIDEMIRROR_CA_BUNDLE", "SIDEMIRROR_TAG")
        }
        self.env |= settings
        files = self.env.get("COMPOSE_FILE", "docker-compose.yml")
        self.env["COMPOSE_FILE"] = f"{files}:{subnets.write(self.volumes.parent / f'{self.volumes.name}-networks.yml')}"

    def script(self, *arguments: str, check: bool = True) -> Result:
        """`./sidemirror …` on this project."""
        return run(["./sidemirror", *arguments], self.env, check, stdin=subprocess.DEVNULL)

    def compose(self, *arguments: str, check: bool = True) -> Result:
        return run(["docker", "compose", *arguments], self.env, check, stdin=subprocess.DEVNULL)

    def container(self, service: str) -> str:
        """The id of the service's container, running or not."""
        return self.compose("ps", "--all", "--quiet", service).stdout.strip()

    def containers(self) -> list[str]:
        return self.compose("--profile", "*", "ps", "--all", "--quiet").stdout.split()

    def inspect(self, service: str) -> dict[str, Any]:
        found: list[dict[str, Any]] = json.loads(run(["docker", "inspect", self.container(service)]).stdout)
        return found[0]

    def host(self, service: str) -> Host:
        """testinfra's view into the service's container."""
        return testinfra.get_host(f"docker://{self.container(service)}")

    def health(self, service: str) -> str:
        return str(self.inspect(service)["State"].get("Health", {}).get("Status", "none"))

    def backup(self) -> Result:
        """A run now."""
        return self.script("backup")

    def sql(self, query: str, role: str | None = None) -> list[list[str]]:
        """Rows as the stand-in's superuser sees them (or as `role`), one list of texts for each."""
        result = self.try_sql(query, role)
        assert result.returncode == 0, result.stderr
        return [line.split("\t") for line in result.stdout.splitlines()]

    def try_sql(self, query: str, role: str | None = None) -> Result:
        become = ["-c", f"SET ROLE {role}"] if role else []
        psql = ["psql", "-XqAt", "-F", "\t", "-U", "supabase_admin", "-d", "postgres", *become, "-c", query]
        return self.compose("exec", "-T", "postgres", *psql, check=False)

    def as_root(self, *command: str, check: bool = True, **mounts: Path) -> Result:
        """A command as root, with /volumes and each of `mounts`: what a host's root could do."""
        binds = [f"--volume={path}:/{name}" for name, path in {"volumes": self.volumes, **mounts}.items()]
        container = ["docker", "run", "--rm", "--network=none", "--user=0:0", *binds, "--entrypoint", command[0]]
        return run([*container, f"sidemirror/bot:{TAG}", *command[1:]], check=check)

    def logs(self) -> str:
        result = self.compose("--profile", "*", "logs", "--no-color", "--tail", "80", check=False)
        return (result.stdout + result.stderr).replace("\x1b[2K", "")

    def destroy(self) -> None:
        """Takes the containers, the networks and the data away."""
        self.compose("--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "5", check=False)
        # `down` leaves the networks that the configuration of just now does not use.
        ours = run(
            ["docker", "network", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}"]
        )
        if left := ours.stdout.split():
            run(["docker", "network", "rm", *left], check=False)
        self.as_root("find", "/volumes", "-mindepth", "1", "-delete")
