"""What a look finds, how far apart runs are, and which folders are watched: with real databases and a real kernel."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from backup.file_systems import NETWORK, kind_of, mounts
from backup.notified import Watch
from backup.on_change import LONGEST_PAUSE_SECONDS, OnChange
from backup.pace import Pace
from backup.session import Look
from backup.signature import only_begun, signature


@pytest.fixture
def bot(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """A bot whose large transactions do not fit into its memory."""
    with closing(sqlite3.connect(tmp_path / "bot.db", isolation_level=None)) as connection:
        connection.execute("PRAGMA cache_size = 2")
        connection.execute("CREATE TABLE t (a)")
        yield connection


@pytest.mark.parametrize("mode", ["WAL", "DELETE", "TRUNCATE", "PERSIST"])
def test_a_transaction_that_is_open_has_begun_and_one_that_is_done_has_not(
    mode: str, bot: sqlite3.Connection, tmp_path: Path
) -> None:
    bot.execute(f"PRAGMA journal_mode = {mode}")
    bot.execute("INSERT INTO t VALUES ('first')")
    file = tmp_path / "bot.db"
    before = signature(file)
    bot.execute("BEGIN")
    rows = 500 if mode == "WAL" else 1  # in the other modes what does not fit is in the file itself
    bot.executemany("INSERT INTO t VALUES (zeroblob(3000))", [()] * rows)
    begun = signature(file)
    assert begun != before
    assert only_begun(before, begun)
    bot.execute("COMMIT")
    assert not only_begun(before, signature(file))


def test_a_reader_leaves_nothing_that_looks_like_a_commit(bot: sqlite3.Connection, tmp_path: Path) -> None:
    bot.execute("PRAGMA journal_mode = WAL")
    bot.execute("INSERT INTO t VALUES (1)")
    before = signature(tmp_path / "bot.db")
    with closing(sqlite3.connect(tmp_path / "bot.db")) as reader:
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (1,)
    assert signature(tmp_path / "bot.db") == before


def test_runs_start_earlier_by_a_tenth_and_what_they_take_there_and_back_and_by_a_quarter_at_most() -> None:
    pace = Pace(1.0)
    assert pace.apart == 0.9
    pace.ran(0.05)
    assert pace.apart == pytest.approx(0.8)
    pace.ran(30.0)
    assert pace.apart == 0.75
    for _ in range(8):
        pace.ran(0.02)
    assert pace.apart == pytest.approx(0.86)
    assert Pace(0.0).apart == 0.0


@pytest.fixture
def wake() -> Iterator[int]:
    descriptor = os.eventfd(0)
    yield descriptor
    os.close(descriptor)


def test_folders_that_come_and_go_are_watched(tmp_path: Path, wake: int) -> None:
    top = tmp_path / "sqlite"
    top.mkdir()
    with closing(Watch((top,), wake)) as watch:

        def told() -> bool:
            """Something was; and then, nothing more is waiting."""
            found = watch.wait(2)
            while watch.wait(0.05):
                pass
            return found

        (top / "sub").mkdir()
        assert told()
        (top / "sub" / "bot.db").write_bytes(b"x")
        assert told()
        shutil.rmtree(top / "sub")
        assert told()
        (top / "sub").mkdir()
        assert told()
        (top / "sub" / "bot.db").write_bytes(b"x")
        assert told()
        (top / "next").write_bytes(b"y")
        assert told()
        (top / "next").replace(top / "sub" / "bot.db")
        assert told()
        assert not watch.wait(0.05)
        (top / "bot.db-shm").write_bytes(b"a reader does this")
        assert not told()


def test_a_top_folder_that_comes_back_is_watched_again_once_it_is_there(tmp_path: Path, wake: int) -> None:
    top = tmp_path / "json"
    top.mkdir()
    with closing(Watch((top,), wake)) as watch:
        top.rmdir()
        assert watch.wait(2)
        top.mkdir()
        assert watch.works
        watch.wait(0.05)
        (top / "data.json").write_text("{}")
        assert watch.wait(2)


def test_the_kind_of_a_file_system_is_that_of_the_innermost_mount(tmp_path: Path) -> None:
    mounted = {"/": "ext4", str(tmp_path): "nfs4", str(tmp_path / "a" / "b"): "fuse.sshfs"}
    assert kind_of(tmp_path / "a", mounted) == "nfs4"
    assert kind_of(tmp_path / "a" / "b" / "c", mounted) == "fuse.sshfs"
    assert [kind for kind in mounted.values() if NETWORK.match(kind)] == ["nfs4", "fuse.sshfs"]
    assert not NETWORK.match("fuse.fuse-overlayfs")
    assert kind_of(Path("/proc/self"), mounts()) == "proc"


def test_what_was_written_during_a_long_run_is_no_change_without_a_notification(tmp_path: Path) -> None:
    """A large document takes a run so long that the time for the next look is past when it ends."""
    (tmp_path / "data.json").write_text("{}")
    reader, writer = os.pipe()
    changes = OnChange((tmp_path,), 0, reader)
    try:
        assert changes.polling is None
        changes.run_begins()
        changes.pause, changes.next_look = LONGEST_PAUSE_SECONDS, 0.0
        (tmp_path / "data.json").write_text('{"a": 1}')
        changes.run_ended()
        changes.earliest = 0.0
        assert changes.wait(0)
        assert changes.is_due(Look.WRITTEN)
        assert changes.polling is None
    finally:
        changes.close()
        os.close(reader)
        os.close(writer)
