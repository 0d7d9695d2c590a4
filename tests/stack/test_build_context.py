"""What a build can see of the checkout: the programs, and nothing that is somebody's."""

from __future__ import annotations

import io
import shutil
import subprocess
import tarfile
from pathlib import Path

from stack import ROOT, run

CANARIES = [
    ".env",
    ".env.local",
    "backup/.env",
    "services/bot/.env",
    "volumes/sqlite/bot.db",
    "volumes/secrets/backup/target_password",
]


def test_no_env_file_and_nothing_of_volumes_or_git_reaches_a_build(tmp_path: Path) -> None:
    for name in run(["git", "ls-files", "--cached", "--others", "--exclude-standard"]).stdout.splitlines():
        if (ROOT / name).is_file():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, tmp_path / name)
    for name in [*CANARIES, ".git/config"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("canary")
    everything = tmp_path / "Everything.Dockerfile"
    everything.write_text("FROM scratch\nCOPY . /\n")
    build = [
        "docker",
        "buildx",
        "build",
        "--no-cache",
        "--file",
        str(everything),
        "--output",
        "type=tar,dest=-",
        str(tmp_path),
    ]
    archive = subprocess.run(build, check=True, capture_output=True, timeout=120).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        names = files.getnames()
    tops = {name.split("/")[0] for name in names}
    assert {"mirror", "backup", "restore", "requirements"} <= tops
    assert tops <= {
        "mirror",
        "backup",
        "restore",
        "services",
        "bench",
        "docs",
        "tests",
        "requirements",
        "pyproject.toml",
    }
    assert [name for name in names if ".env" in name or name.split("/")[0] in ("volumes", ".git")] == []
