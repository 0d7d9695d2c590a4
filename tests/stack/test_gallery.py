"""The gallery of peculiarities through the real containers: mirrored by the sidecar, brought back by the restore job."""

from __future__ import annotations

from pathlib import Path

from fix_stack import NewStack
from stack import TAG, Result, Stack, run

TEST_IMAGE = f"sidemirror/test:{TAG}"


def in_test_image(*command: str, **mounts: Path) -> Result:
    """A command of the tests' own, as the bot's user, with each of `mounts` at /<its name>."""
    binds = [f"--volume={path}:/{name}" for name, path in mounts.items()]
    return run(["docker", "run", "--rm", "--network=none", "--env=PYTHONPATH=/app/tests", *binds, TEST_IMAGE, *command])


def make(stack: Stack, step: str) -> None:
    in_test_image("python", "-m", "gallery.make", "/sqlite", step, sqlite=stack.volumes / "sqlite")


def restored(stack: Stack, name: str, *options: str) -> Path:
    folder = stack.volumes / "into" / name
    stack.script("restore", "--yes", "--into", str(folder), *options)
    return folder / "sqlite"


def compare(left: Path, right: Path) -> str:
    return in_test_image("python", "-m", "oracle", "/left", "/right", left=left, right=right).stdout


def test_every_peculiarity_comes_back_through_the_containers_as_it_is_and_as_it_was(new_stack: NewStack) -> None:
    stack = new_stack("gallery", GUARD_SHRINK="off")
    stack.compose("up", "--detach", "--wait", "backup")
    make(stack, "make")
    stack.backup()
    first = stack.sql("SELECT max(run) FROM sidemirror.runs")[0][0]
    kept = stack.volumes / "kept"
    stack.as_root("cp", "-a", "/volumes/sqlite", "/volumes/kept")
    make(stack, "change")
    stack.backup()

    assert "databases compared" in compare(stack.volumes / "sqlite", restored(stack, "now"))
    assert "databases compared" in compare(kept, restored(stack, "then", "--run", first))
