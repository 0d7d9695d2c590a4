"""The restore job: everything comes back, what was there is kept, and nothing is touched when it is refused."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from fix_source import Source
from restoring import (
    another_process,
    content,
    contents_of,
    described,
    files_below,
    fill,
    fill_all,
    fingerprint,
    restore,
    restored,
)


def lose_everything(source: Source) -> None:
    for folder in (source.sqlite, source.json):
        for path in files_below(folder).values():
            path.unlink()


def test_everything_comes_back_equal_by_value_class_and_bytes(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    before = content(source, tmp_path / "before")
    source.run()
    lose_everything(source)
    told = restored(source, "--yes").stdout
    assert content(source, tmp_path / "after") == before
    assert "2 databases with 606 rows, 2 documents" in told
    assert not list(source.sqlite.rglob("*-wal")), "no side file is needed"


def test_modes_and_the_documents_times_come_back(source: Source) -> None:
    fill_all(source)
    (source.sqlite / "bot.db").chmod(0o640)
    (source.sqlite / "sub" / "wal.db").chmod(0o604)
    (source.json / "data.json").chmod(0o600)
    os.utime(source.json / "data.json", ns=(1_700_000_000_123_456_789, 1_700_000_000_123_456_789))
    source.run()
    lose_everything(source)
    restored(source, "--yes")
    modes = {
        name: stat.S_IMODE(path.stat().st_mode)
        for folder in (source.sqlite, source.json)
        for name, path in files_below(folder).items()
    }
    assert (modes["bot.db"], modes["sub/wal.db"], modes["data.json"]) == (0o640, 0o604, 0o600)
    assert (source.json / "data.json").stat().st_mtime_ns == 1_700_000_000_123_456_789


def test_a_file_name_that_means_something_in_a_uri_comes_back(source: Source, tmp_path: Path) -> None:
    for file in ("per%20cent.db", "what?mode=memory.db", "hash#.db", "späce \U0001f98a.db"):
        fill(source, file=file)
    before = content(source, tmp_path / "before")
    source.run()
    lose_everything(source)
    restored(source, "--yes")
    assert content(source, tmp_path / "after") == before


def test_what_was_there_is_kept_with_its_side_files(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    wal = source.sqlite / "sub" / "wal.db"
    with another_process(wal, "PRAGMA wal_autocheckpoint = 0", "DELETE FROM t WHERE id > 5"):
        pass  # killed: what it wrote stands in the -wal alone
    (source.json / "data.json").write_bytes(b'{"newer": true}')
    old_wal = Path(f"{wal}-wal").read_bytes()
    assert len(old_wal) > 4000
    old = content(source, tmp_path / "old")

    told = restored(source, "--yes").stdout
    [kept] = (source.sqlite / "replaced").iterdir()
    assert f"replaced/{kept.name}" in told
    assert (kept / "sub" / "wal.db-wal").read_bytes() == old_wal
    (tmp_path / "kept").mkdir()
    assert contents_of(kept, source.json / "replaced" / kept.name, tmp_path / "kept") == old


def test_a_hot_journal_is_kept_and_what_it_protects_as_well(source: Source, tmp_path: Path) -> None:
    fill(source)
    source.run()
    database = source.sqlite / "bot.db"
    before = described(database, tmp_path / "before.db")
    with another_process(
        database, "PRAGMA cache_size = 1", "PRAGMA cache_spill = 1", "BEGIN", "UPDATE t SET a = a || hex(zeroblob(400))"
    ):
        assert Path(f"{database}-journal").stat().st_size > 512
    restored(source, "--yes")
    [kept] = (source.sqlite / "replaced").iterdir()
    assert (kept / "bot.db-journal").stat().st_size > 512
    assert described(kept / "bot.db", tmp_path / "kept.db") == before
    assert described(database, tmp_path / "after.db") == before


def test_a_damaged_database_is_replaced_and_kept_byte_for_byte(source: Source, tmp_path: Path) -> None:
    fill(source, "WAL")
    source.run()
    database = source.sqlite / "bot.db"
    before = described(database, tmp_path / "before.db")
    database.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    Path(f"{database}-wal").write_bytes(b"not a wal")
    restored(source, "--yes")
    [kept] = (source.sqlite / "replaced").iterdir()
    assert (kept / "bot.db").read_bytes() == b"SQLite format 3\0" + b"\xff" * 9000
    assert (kept / "bot.db-wal").read_bytes() == b"not a wal"
    assert described(database, tmp_path / "after.db") == before


def test_a_stale_wal_beside_the_destination_does_not_reach_the_restored_file(source: Source, tmp_path: Path) -> None:
    fill(source, "WAL")
    source.run()
    database = source.sqlite / "bot.db"
    before = described(database, tmp_path / "before.db")
    with another_process(database, "PRAGMA wal_autocheckpoint = 0", "UPDATE t SET a = 'stale'"):
        pass
    database.unlink()  # the user deleted the database, and not what belongs to it
    assert Path(f"{database}-wal").stat().st_size > 4000
    restored(source, "--yes")
    assert described(database, tmp_path / "after.db") == before
    assert not Path(f"{database}-wal").exists()
    assert not Path(f"{database}-shm").exists()


LIVE = {
    "an idle connection in WAL mode": ("WAL", ["SELECT count(*) FROM t"]),
    "a read transaction in WAL mode": ("WAL", ["BEGIN", "SELECT * FROM t"]),
    "a write transaction in WAL mode": ("WAL", ["BEGIN IMMEDIATE"]),
    "a read transaction in a rollback-journal mode": ("DELETE", ["BEGIN", "SELECT * FROM t"]),
    "a write transaction in a rollback-journal mode": ("DELETE", ["BEGIN IMMEDIATE"]),
    "an exclusive transaction in a rollback-journal mode": ("DELETE", ["BEGIN EXCLUSIVE"]),
}


@pytest.mark.parametrize("live", LIVE)
def test_it_is_refused_with_10_while_another_process_has(live: str, source: Source) -> None:
    mode, statements = LIVE[live]
    fill(source, mode)
    source.run()
    with another_process(source.sqlite / "bot.db", *statements) as bot:
        before = fingerprint(source)
        result = restore(source, "--yes")
        assert (result.returncode, fingerprint(source)) == (10, before)
    assert f"process {bot.pid} (python" in result.stderr
    assert "has bot.db open" in result.stderr
    assert "docker compose stop bot" in result.stderr
    restored(source, "--yes")


HOLDS = """
import fcntl, sys
file = open(sys.argv[1], "w")
getattr(fcntl, sys.argv[2])(file, fcntl.LOCK_EX)
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("call", ["flock", "lockf"])
@pytest.mark.parametrize("folder", ["sqlite", "json"])
def test_a_bot_that_has_nothing_open_says_that_it_runs_by_a_lock_on_bot_lock(
    call: str, folder: str, source: Source
) -> None:
    fill(source)
    source.run()
    lock = source.folder / folder / "bot.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(lock), call], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as bot:
        assert bot.stdout is not None
        assert bot.stdout.readline() == b"ready\n"
        before = fingerprint(source)
        result = restore(source, "--yes")
        assert (result.returncode, fingerprint(source)) == (10, before)
        bot.kill()
    assert f"it holds a lock on {lock}" in result.stderr
    restored(source, "--yes")
    assert lock.exists(), "the file alone is no sign of life"


def test_a_service_that_does_not_run_and_a_name_that_is_no_neighbours_are_not_taken_for_the_bot(source: Source) -> None:
    fill(source)
    source.run()
    assert restore(source, "--yes", RESTORE_BOT_HOST="no-such-bot").returncode == 0
    assert restore(source, "--yes", RESTORE_BOT_HOST="192.0.2.7").returncode == 0
    restarting = restore(source, "--yes", RESTORE_BOT_STATE="restarting")
    assert (restarting.returncode, "it is restarting" in restarting.stderr) == (10, True)
    running = restore(source, "--yes", RESTORE_BOT_HOST=socket.gethostname())
    assert running.returncode == 10
    assert f"the bot is running: the service {socket.gethostname()} is up" in running.stderr
    assert "docker compose stop bot" in running.stderr


def test_nothing_in_the_target_ends_with_11(source: Source) -> None:
    source.state.joinpath("installation").write_text("6a0a7bb3-6f28-4d0c-bb85-3f5a2b1d0c11\n")
    for arguments in (["--yes"], ["--list"], ["--into", str(source.folder / "into")], ["--yes", "--run", "1"]):
        result = restore(source, *arguments)
        assert result.returncode == 11
        assert f"no backup of the source {source.name}" in result.stderr
        assert "Try: " in result.stderr
        assert not (source.folder / "into").exists()


def test_without_a_terminal_and_without_yes_it_ends_with_13(source: Source) -> None:
    fill_all(source)
    source.run()
    before = fingerprint(source)
    result = restore(source)
    assert (result.returncode, fingerprint(source)) == (13, before)
    assert "--yes" in result.stderr
    for expected in ("sub/wal.db", "303 rows in 2 tables", "data.json", "kept aside"):
        assert expected in result.stdout


def test_a_stopped_bot_may_be_restored_while_the_sidecar_takes_its_copy(source: Source) -> None:
    fill(source)
    source.run()
    with another_process(source.sqlite / "bot.db", "BEGIN", "SELECT * FROM t") as reader:
        threading.Timer(0.8, reader.kill).start()
        restored(source, "--yes")


def test_the_next_backup_after_a_restore_sends_nothing(source: Source) -> None:
    fill_all(source)
    run = source.run().run
    lose_everything(source)
    restored(source, "--yes")
    for kind in ("run", "full"):
        report = source.run(kind)
        assert (report.run, report.committed) == (run, False)
