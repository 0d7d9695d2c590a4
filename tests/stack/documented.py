"""The commands of the documentation, and a terminal to run them in as a person would."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from stack import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]

# A fenced block of commands, and the comment before it that says why it cannot be run here.
_BLOCK = re.compile(
    r"^(?:<!-- not run: (?P<why>.+?) -->\n+)?(?P<indent> *)```(?P<kind>sh|console)\n(?P<text>.*?)^ *```", re.M | re.S
)
_QUESTION = re.compile(rb"\[y/N\]:? *$")


@dataclass(frozen=True)
class Block:
    """A fenced block: as a shell script; `why_not` is the reason for not running it."""

    page: Path
    line: int
    script: str
    why_not: str | None

    def __str__(self) -> str:
        return f"{self.page.relative_to(ROOT)}:{self.line}"


def blocks(page: Path) -> list[Block]:
    """Every block of commands of a page, in order. Of a `console` block only what stands after `$ ` is typed."""
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        lines = [line.removeprefix(match["indent"]) for line in match["text"].splitlines()]
        if match["kind"] == "console":
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        if lines:
            found.append(Block(page, text.count("\n", 0, match.start()) + 1, "\n".join(lines), match["why"]))
    return found


def at_a_terminal(script: str, folder: Path, env: Mapping[str, str], seconds: float = 240) -> tuple[int, str]:
    """Runs a shell script with a terminal of its own, ending at the first command that fails; every question that is
    asked as [y/N] is answered with y. Gives the exit code and what stood on the terminal."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        ["sh", "-e", "-c", script],
        cwd=folder,
        env=dict(env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    told = b""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not select.select([ours], [], [], 1)[0]:
            continue
        try:
            piece = os.read(ours, 65536)
        except OSError:  # the terminal closes with its last program
            piece = b""
        if not piece:
            break
        told += piece
        if _QUESTION.search(re.sub(rb"\x1b\[[0-9;?]*[a-zA-Z]", b"", told)):
            os.write(ours, b"y\n")
            told += b"\n"
    else:
        os.killpg(process.pid, signal.SIGTERM)
    code = process.wait(timeout=30)
    os.close(ours)
    return code, told.decode(errors="replace")
