"""Every command of README and docs, typed at a terminal in a checkout of its own, page by page and in order."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from documented import PAGES, Block, at_a_terminal, blocks
from fix_stack import NewStack
from stack import ROOT, TAG, Stack, run

BLOCKS = [block for page in PAGES for block in blocks(page)]
SHIM = """#!/bin/sh
exec docker run --rm -i --network none --user 10001:10001 --volume "$PWD:$PWD" --workdir "$PWD" {image} sqlite3 "$@"
"""


class Checkout:
    """A copy of this checkout, as a clone would be, with a stack of its own in it."""

    def __init__(self, folder: Path, stack: Stack) -> None:
        self.folder = folder
        self.stack = stack
        self.env = {
            name: value
            for name, value in stack.env.items()
            if name not in ("COMPOSE_ENV_FILES", "COMPOSE_FILE", "SIDEMIRROR_VOLUMES")
        }
        # Images of its own: another checkout's builds would give the running stack's containers new ones.
        self.env["SIDEMIRROR_TAG"] = f"{TAG}-documented"
        self.env["PATH"] = f"{folder}/.bin:{os.environ['PATH']}"

    def type(self, block: Block) -> tuple[int, str]:
        return at_a_terminal(block.script, self.folder, self.env)


@pytest.fixture(scope="module")
def checkout(new_stack: NewStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Checkout]:
    stack = new_stack("documented")
    folder = stack.volumes / "checkout"
    for name in run(["git", "ls-files", "--cached", "--others", "--exclude-standard"]).stdout.splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    # A person's sqlite3 command: Debian's, from the tests' image.
    (folder / ".bin").mkdir()
    (folder / ".bin/sqlite3").write_text(SHIM.format(image=f"sidemirror/test:{TAG}"))
    (folder / ".bin/sqlite3").chmod(0o755)
    yield Checkout(folder, stack)
    run(
        ["docker", "compose", "--profile", "*", "down", "--volumes", "--timeout", "5"],
        {**stack.env, "COMPOSE_FILE": "docker-compose.yml", "PWD": str(folder)},
        check=False,
    )


def test_a_block_that_is_not_run_says_why() -> None:
    assert [str(block) for block in BLOCKS if block.why_not is not None and len(block.why_not) < 10] == []
    assert len([block for block in BLOCKS if block.why_not is None]) >= 18


@pytest.mark.parametrize("block", [block for block in BLOCKS if block.why_not is None], ids=str)
def test_a_documented_block_of_commands_works_as_it_stands(checkout: Checkout, block: Block) -> None:
    code, told = checkout.type(block)
    assert code == 0, f"{block.script}\n\n{told[-6000:]}"
