"""The sidecar's commands as processes of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from fix_source import Source

Result = subprocess.CompletedProcess[str]


def backup(source: Source, *arguments: str, **environ: str | None) -> Result:
    """`python -m backup …` without a terminal; a variable given as None is not set."""
    variables = source.process_environ | {"PYTHONUNBUFFERED": "1"} | environ
    return subprocess.run(
        source.command(*arguments),
        env={name: value for name, value in variables.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def status(source: Source, **environ: str | None) -> dict[str, Any]:
    """What `status --json` says; `code` is how it ended."""
    result = backup(source, "status", "--json", **environ)
    assert result.stderr == ""
    found: dict[str, Any] = json.loads(result.stdout)
    return found | {"code": result.returncode}


def health(source: Source) -> tuple[int, str]:
    """How the container's health check ends, and what it says."""
    result = subprocess.run(
        [sys.executable, "-m", "backup.health"],
        env=os.environ | {"STATE_DIR": str(source.state)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert result.stderr == ""
    return result.returncode, result.stdout


def log(source: Source) -> str:
    path = source.state / "supabase_backup.log"
    return path.read_text() if path.exists() else ""


@contextmanager
def scheduled(source: Source, **environ: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m backup schedule`. What it says is in `log`.

    It runs by the clock only, unless BACKUP_ON_CHANGE is given.
    """
    with running(source, "schedule", "stdout", {"BACKUP_ON_CHANGE": "off"} | environ) as process:
        yield process


@contextmanager
def running(
    source: Source, command: str, file: str, environ: dict[str, str | None]
) -> Iterator[subprocess.Popen[bytes]]:
    """A command that does not end by itself, killed at the end if it still runs. What it says is added to the file."""
    variables = source.process_environ | environ
    with (source.folder / file).open("ab") as stdout:
        process = subprocess.Popen(
            source.command(command),
            env={name: value for name, value in variables.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.kill()
        process.wait()
