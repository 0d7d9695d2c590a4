"""A run that is cut off, has no room, or is not alone: the next one goes on, and nothing is doubled."""

from __future__ import annotations

import random
import resource
import signal
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fix_small_volume import small_volume
from fix_source import Source
from fix_writer import until

from backup.state import run_lock
from mirror.errors import RunInProgress, StateError, TargetMoved

ROWS = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) "
START = (
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT); CREATE TABLE n (v); "
    "CREATE TABLE k (x TEXT PRIMARY KEY, y) WITHOUT ROWID; "
    + ROWS.format(3000)
    + "INSERT INTO t SELECT i, hex(zeroblob(300)) FROM n;"
)
CHANGE = (
    "UPDATE t SET a = a || '{0}' WHERE id % 3 = {0} % 3; INSERT INTO n VALUES ({0}), (x'00'), ('t' || {0}); "
    "DELETE FROM n WHERE rowid % 5 = 0; INSERT INTO k VALUES ('k{0}', {0}); "
    "CREATE TABLE extra_{0} (a); INSERT INTO extra_{0} VALUES (1);"
)


def history_is_sound(source: Source) -> None:
    """Each key has at most one before-image for each run, and every run that history names is a restore point."""
    assert (
        source.target.query(
            "SELECT table_id, run, key, count(*) FROM sidemirror.history GROUP BY 1, 2, 3 HAVING count(*) > 1"
        )
        == []
    )
    runs = source.target.query(
        "SELECT run FROM sidemirror.runs WHERE source_id = (SELECT id FROM sidemirror.sources WHERE name = %s) ORDER BY run",
        source.name,
    )
    assert [run for (run,) in runs] == list(range(1, len(runs) + 1))


def test_a_run_killed_at_any_moment_is_finished_by_the_next_one(source: Source) -> None:
    source.write(START)
    source.point()
    (source.json / "settings.json").write_text("{}")
    began = time.monotonic()
    subprocess.run(source.command("once"), env=source.process_environ, check=True, capture_output=True)
    whole = time.monotonic() - began
    chance = random.Random(20261122)
    killed = 0
    for number in range(1, 21):
        source.write(CHANGE.format(number))
        (source.json / "settings.json").write_text(f'{{"number": {number}}}')
        started = subprocess.Popen(source.command("once"), env=source.process_environ, stdout=subprocess.DEVNULL)
        time.sleep(whole * chance.uniform(0.3, 1.1))
        started.kill()
        killed += started.wait() != 0
        source.point()  # a file at which two runs in a row were ended would be set aside
    assert killed > 5, "hardly a run was killed: the moments are badly chosen"
    source.point()
    source.verify()
    history_is_sound(source)
    leftovers = [path.name for path in (source.state / "shadow").rglob("*") if path.is_file()]
    suffixes = sorted(Path(name).suffix for name in leftovers)
    assert suffixes in ([".sqlite", ".sums"], [".spare", ".sqlite", ".sums"]), leftovers


@pytest.mark.parametrize("moment", ["sent and not committed", "committed and not remembered"])
def test_a_run_that_dies_at_the_commit_is_finished_by_the_next_one(
    moment: str, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.write(START)
    source.point()
    source.write(CHANGE.format(1))

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("backup.run._make_durable" if moment.startswith("sent") else "backup.run._remember", die)
        with pytest.raises(KeyboardInterrupt):
            source.run()
    assert source.read_state().last_run == (1 if moment.startswith("sent") else 2)
    report = source.point()
    assert report.run == 2
    source.verify()
    history_is_sound(source)


def test_two_runs_at_once_do_not_meet(source: Source) -> None:
    source.write(START)
    with run_lock(source.state), pytest.raises(RunInProgress):
        source.run()
    many = [
        subprocess.Popen(source.command("once"), env=source.process_environ, stdout=subprocess.DEVNULL)
        for _ in range(4)
    ]
    assert [process.wait(60) for process in many] == [0, 0, 0, 0]
    history_is_sound(source)
    assert source.point().run == 1
    source.verify()


def test_of_two_runs_with_the_same_identity_and_two_state_folders_one_is_refused_and_nothing_is_doubled(
    source: Source, tmp_path: Path
) -> None:
    source.write(START)
    source.point()
    copied = tmp_path / "copied"
    copied.mkdir()
    (copied / "installation").write_text((source.state / "installation").read_text())
    source.write(CHANGE.format(1))
    both = [
        subprocess.Popen(
            source.command("once"),
            env={**source.process_environ, "STATE_DIR": str(state)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for state in (source.state, copied)
    ]
    said = [process.communicate(timeout=60)[1] for process in both]
    # Whose turn the other one met ends with 4, and has nothing to be refused for yet.
    assert both[0].returncode in (0, 4), said
    assert both[1].returncode == 14, said
    assert source.point().run == 2
    source.verify()
    history_is_sound(source)


def test_a_target_that_moved_meanwhile_is_noticed(source: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    source.write(START)
    source.point()
    source.write(CHANGE.format(1))
    stale = source.read_state()
    monkeypatch.setattr("mirror.catalog.read_state", lambda *_: stale)
    source.run()
    source.write(CHANGE.format(2))
    with pytest.raises(TargetMoved):
        source.run()
    monkeypatch.undo()
    source.point()
    source.verify()


@pytest.fixture
def small_files() -> Iterator[None]:
    """A limit on the size of a file, which meets a writer as a full disk does: in the middle of a write."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


@pytest.mark.parametrize("size", [1, 5_000, 200_000])
def test_a_state_folder_without_room_is_told_and_nothing_is_lost(size: int, source: Source, small_files: None) -> None:
    source.write(START)
    source.point()
    before = source.read_state()
    source.write(CHANGE.format(1))
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        with pytest.raises(StateError) as caught:
            source.run()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    assert caught.value.hint
    # The size of the whole database is nothing of this source's.
    assert replace(source.read_state(), target_bytes=0) == replace(before, target_bytes=0)
    source.point()
    source.verify()


def test_a_full_state_volume_is_told_and_nothing_is_lost(source: Source) -> None:
    with small_volume() as state:
        filler = state / "filler"
        source.environ["STATE_DIR"] = str(state)
        source.state = state
        source.write(START)
        source.point()
        source.write(CHANGE.format(1))
        fill(filler)
        with pytest.raises(StateError):
            source.run()
        filler.unlink()
        source.point()
        source.verify()


def fill(path: Path) -> None:
    with path.open("wb") as file:
        try:
            while True:
                file.write(b"x" * 65536)
                file.flush()
        except OSError:
            pass


def test_a_state_folder_that_cannot_be_written_to_is_told(source: Source) -> None:
    source.write(START)
    source.state.chmod(0o500)
    try:
        with pytest.raises(StateError, match="state folder") as caught:
            source.run()
    finally:
        source.state.chmod(0o700)
    assert "./sidemirror up" in caught.value.hint


def test_a_connection_cut_in_the_middle_of_a_run_leaves_nothing_of_it(source: Source) -> None:
    source.write(START)
    source.point()
    source.write(ROWS.format(200_000) + "INSERT INTO t SELECT i + 10000, hex(randomblob(100)) FROM n;")
    running = subprocess.Popen(
        source.command("once"), env=source.process_environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid() AND query ~ '^COPY'"
    )
    until(lambda: source.target.query(cut) != [] or running.poll() is not None)
    said = running.communicate(timeout=60)[0]
    assert running.returncode == 4, said
    assert "Try:" in said
    assert source.read_state().last_run == 1
    source.point()
    source.verify()
    history_is_sound(source)


def test_state_files_of_any_garbage_are_no_obstacle(source: Source) -> None:
    source.write(START)
    source.point()
    for garbage in (b"", b"{", b"[]", b"\xff\xfe", b'{"bot.db": 7}', b'{"bot.db": ["x", "y"]}'):
        (source.state / "signatures.json").write_bytes(garbage)
        assert not source.run().committed
    for garbage in (b"", b"no database at all", b"\0" * 4096):
        for shadow in source.state.rglob("*.sqlite"):
            shadow.write_bytes(garbage)
        source.write(f"INSERT INTO n VALUES ({len(garbage)})")
        source.point()
    source.verify()


def test_a_shadow_whose_rows_were_damaged_is_found_out_by_a_full_run(source: Source) -> None:
    source.write(START)
    source.point()
    [shadow] = source.state.rglob("*.sqlite")
    connection = sqlite3.connect(shadow, isolation_level=None)
    connection.execute("UPDATE t SET a = 'damaged' WHERE id = 7")
    connection.close()
    source.write("UPDATE t SET a = 'changed' WHERE id = 8")
    source.point("full")
    source.verify()
