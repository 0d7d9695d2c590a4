"""Restores that lack something of the place they come to: room, leave to write, the right user."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fix_small_volume import small_volume
from fix_source import Source
from restoring import another_process, content, fill, fill_all, fingerprint, restore, restored

# Fills the disk, all but a little, right before the process does `event` to a path that ends in `end`.
FILLED_BEFORE = """
import os, runpy, sys
event, end, ballast = sys.argv.pop(1), sys.argv.pop(1), sys.argv.pop(1)
filled = False
def hook(happens, arguments):
    global filled
    if happens == event and not filled and str(arguments[0]).split("?")[0].endswith(end):
        filled = True
        free = os.statvfs(os.path.dirname(ballast))
        descriptor = os.open(ballast, os.O_WRONLY | os.O_CREAT)
        os.posix_fallocate(descriptor, 0, (free.f_bavail - 4) * free.f_frsize)
        os.close(descriptor)
sys.addaudithook(hook)
sys.argv[0] = "restore"
runpy.run_module("restore", run_name="__main__")
"""


@pytest.fixture
def small_disk(source: Source) -> Iterator[Path]:
    """A folder on a small file system of the container's own, where the source has its files; emptied afterwards."""
    with small_volume() as folder:
        source.sqlite, source.json = folder / "sqlite", folder / "json"
        source.environ |= {"SQLITE_DIR": str(source.sqlite), "JSON_DIR": str(source.json)}
        (source.sqlite / "sub").mkdir(parents=True)
        source.json.mkdir()
        fill_all(source)
        (source.json / "data.json").write_text(f'"{"x" * 3_000_000}"')
        yield folder


def leave_free(folder: Path, room: int) -> Path:
    """Takes all room but so many bytes."""
    ballast = folder / "ballast"
    with ballast.open("wb") as file:
        free = os.statvfs(folder)
        os.posix_fallocate(file.fileno(), 0, free.f_bavail * free.f_frsize - room)
    return ballast


def test_too_little_room_is_told_before_anything_is_written_as_found_and_needed(
    source: Source, small_disk: Path
) -> None:
    source.run()
    before = fingerprint(source)
    ballast = leave_free(small_disk, 2_000_000)
    result = restore(source, "--yes")
    assert result.returncode == 9, result.stdout + result.stderr
    told = re.search(r"need about ([0-9.]+) MB in (\S+) and (\S+), and ([0-9.]+) MB are free", result.stderr)
    assert told, result.stderr
    assert (told[2], told[3]) == (str(source.sqlite), str(source.json)), "both are on one file system"
    assert 3.0 <= float(told[1]) < 3.2
    assert 1.8 < float(told[4]) <= 2.0
    assert "restore --replaced" in result.stderr
    assert fingerprint(source) == before
    assert not list(source.sqlite.glob("replaced/*"))
    into = restore(source, "--yes", "--into", str(small_disk / "into"))
    assert (into.returncode, "need about" in into.stderr) == (9, True)
    ballast.unlink()
    restored(source, "--yes")
    leave_free(small_disk, 2_000_000)
    undo = restore(source, "--yes", "--undo")
    assert (undo.returncode, "need about" in undo.stderr) == (9, True)


def test_what_is_needed_counts_large_values_side_files_and_older_points(source: Source, small_disk: Path) -> None:
    wal = source.sqlite / "sub" / "wal.db"
    with source.database("big.db") as connection:
        connection.execute("CREATE TABLE b (a BLOB)")
        connection.executemany("INSERT INTO b VALUES (?)", [(bytes([n]) * 300_000,) for n in range(20)])
    point = source.run().run
    source.write("DELETE FROM b WHERE rowid > 1", "big.db")
    source.run()
    with another_process(wal, "PRAGMA wal_autocheckpoint = 0", "CREATE TABLE b AS SELECT zeroblob(2000000)"):
        pass
    ballast = leave_free(small_disk, 1_000_000)
    told = restore(source, "--yes", "--run", str(point)).stderr
    found = re.search(r"need about ([0-9.]+) MB", told)
    assert found, told
    size = (source.sqlite / "sub" / "wal.db-wal").stat().st_size + 20 * 300_000 + 3_000_000
    assert 0.99 * size < float(found[1]) * 1e6 < 1.03 * size
    ballast.unlink()
    restored(source, "--yes", "--run", str(point))


@pytest.mark.parametrize(
    ("event", "end"),
    [("sqlite3.connect", "staged/sub/wal.db"), ("open", "staged/data.json"), ("os.link", "bot.db")],
    ids=["a database", "a document", "the swap"],
)
def test_a_disk_that_fills_up_in_mid_restore_ends_with_9_and_nothing_is_lost(
    event: str, end: str, source: Source, small_disk: Path, tmp_path: Path
) -> None:
    source.run()
    with another_process(
        source.sqlite / "sub" / "wal.db",
        "PRAGMA wal_autocheckpoint = 0",
        "CREATE TABLE b AS SELECT zeroblob(900000)",
    ):
        pass
    old = content(source, tmp_path / "old")
    before = fingerprint(source)
    result = subprocess.run(
        [sys.executable, "-c", FILLED_BEFORE, event, end, str(small_disk / "ballast"), "--yes"],
        env=source.process_environ,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 9, result.stdout + result.stderr
    assert "there is no room on the disk for the restored files" in result.stderr
    assert "Traceback" not in result.stderr
    if event != "os.link":
        assert fingerprint(source) == before
        staged = [path for path in (source.sqlite / ".sidemirror").rglob("*") if path.is_file() and path.stat().st_size]
        assert staged == [], "what was staged is gone, so the bot has its room back"
    (small_disk / "ballast").unlink()
    new = content(source, tmp_path / "after")
    assert [name for name in new if name not in ("bot.db", "sub/wal.db") and new[name] != old[name]] == []
    restored(source, "--yes")


def test_a_read_only_file_system_is_told_and_nothing_is_touched(source: Source) -> None:
    fill(source)
    source.run()
    told = restore(source, "--yes", SQLITE_DIR="/app/tests", JSON_DIR="/app/tests")
    assert told.returncode == 9
    assert "its file system is read-only" in told.stderr
    assert "--into" in told.stderr
    assert "Traceback" not in told.stderr


def test_a_folder_of_another_user_is_told_with_what_to_do(source: Source) -> None:
    fill(source)
    source.run()
    source.sqlite.chmod(0o500)
    told = restore(source, "--yes")
    source.sqlite.chmod(0o700)
    assert (told.returncode, "BOT_UID and BOT_GID" in told.stderr) == (9, True)
    assert "Traceback" not in told.stderr


def test_the_staged_files_are_for_the_bots_user_alone(source: Source) -> None:
    fill_all(source)
    (source.sqlite / "bot.db").chmod(0o600)
    source.run()
    restored(source, "--yes")
    assert (source.sqlite / ".sidemirror" / "staged").stat().st_mode & 0o077 == 0
    assert (source.sqlite / "bot.db").stat().st_mode & 0o777 == 0o600
