"""A bot that was taken over owns its folders: what it lays there stops nobody, leads nowhere and forges nothing."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fix_source import Source
from restoring import fill, fill_all, restore

SECONDS = 120  # far more than it takes: it waited for ever


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def away(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def folder(path: Path) -> None:
    path.mkdir()


LAID = [fifo, endless, away, folder]


def backup(source: Source, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        source.command(*arguments), env=source.process_environ, capture_output=True, text=True, timeout=SECONDS
    )


@pytest.mark.parametrize("lay", LAID)
@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
def test_a_side_file_that_is_none_refuses_its_database_alone(
    suffix: str, lay: Callable[[Path], None], source: Source
) -> None:
    fill(source)
    fill(source, file="evil.db")
    lay(Path(f"{source.sqlite / 'evil.db'}{suffix}"))
    done = backup(source, "once")
    assert (done.returncode, "evil.db is not mirrored" in done.stdout + done.stderr) == (3, True), (
        done.stdout + done.stderr
    )
    assert [database.file for database in source.read_state().databases] == ["bot.db"]


@pytest.mark.parametrize("lay", [fifo, endless, away])
def test_a_database_that_is_no_file_refuses_itself_alone(lay: Callable[[Path], None], source: Source) -> None:
    fill(source)
    lay(source.sqlite / "evil.db")
    done = backup(source, "once")
    assert (done.returncode, "evil.db" in done.stdout + done.stderr) == (3, True), done.stdout + done.stderr
    assert [database.file for database in source.read_state().databases] == ["bot.db"]


@pytest.mark.parametrize("through_a_link", [False, True])
@pytest.mark.parametrize("lay", [fifo, endless])
def test_a_document_that_is_no_file_refuses_itself_alone(
    lay: Callable[[Path], None], through_a_link: bool, source: Source
) -> None:
    fill_all(source)
    if through_a_link:
        lay(source.json / "elsewhere")
        (source.json / "x.json").symlink_to("elsewhere")
    else:
        lay(source.json / "x.json")
    done = backup(source, "once")
    assert (done.returncode, "x.json" in done.stdout + done.stderr) == (3, True), done.stdout + done.stderr
    assert sorted(document.file for document in source.read_state().documents) == ["data.json", "sub/more.json"]


def test_a_link_to_a_file_of_the_same_folder_is_still_mirrored_as_that_file(source: Source) -> None:
    fill_all(source)
    (source.json / "current.json").symlink_to("sub/more.json")
    source.run()
    found = {document.file: document.sha256 for document in source.read_state().documents}
    assert found["current.json"] == found["sub/more.json"]


@pytest.mark.parametrize("lay", LAID)
def test_a_lock_of_the_bot_that_is_no_file_holds_up_no_restore(lay: Callable[[Path], None], source: Source) -> None:
    fill_all(source)
    source.run()
    lay(source.sqlite / "bot.lock")
    assert restore(source, "--yes").returncode in (0, 9)
