"""Restores that are cut off: killed at every step, a full disk, a lost target, two at once."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fix_nightly import NIGHTLY
from fix_source import Source
from restoring import (
    KILLED_BEFORE_RENAME,
    another_process,
    content,
    fill_all,
    fingerprint,
    killed,
    poll,
    restore,
    restored,
)
from wire import wire

# Ends the process, as a power cut would, before the Nth change that it makes to the file system.
KILLED_BEFORE = """
import os, runpy, signal, sys
left = int(sys.argv.pop(1))
CHANGES = {"os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.chmod", "os.utime", "sqlite3.connect"}
armed = False
def hook(event, arguments):
    global left, armed
    opens_to_write = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event == "socket.connect" or event == "sqlite3.connect" and "staged" in str(arguments[0]):
        armed = True
    if armed and (event in CHANGES or opens_to_write):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
sys.argv[0] = "restore"
runpy.run_module("restore", run_name="__main__")
"""


def two_states(source: Source, tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is in place (with a -wal of a killed bot), and what the target brings back instead."""
    fill_all(source)
    source.run()
    new = content(source, tmp_path / "new")
    make_old(source)
    return content(source, tmp_path / "old"), new


def make_old(source: Source) -> None:
    """Without its -wal, the database in WAL mode is neither the old one nor the new."""
    source.write("UPDATE t SET a = 'old, and checkpointed'", "sub/wal.db")
    with another_process(
        source.sqlite / "sub" / "wal.db", "PRAGMA wal_autocheckpoint = 0", "UPDATE t SET a = 'old'", "DELETE FROM k"
    ):
        pass
    source.write("UPDATE t SET a = 'old'")
    (source.json / "data.json").write_bytes(b'"old"')
    (source.json / "sub" / "more.json").write_bytes(b'"old"')


def assert_each_is_old_or_new(found: dict[str, Any], old: dict[str, Any], new: dict[str, Any]) -> None:
    assert found.keys() == old.keys() == new.keys()
    assert [name for name in found if found[name] not in (old[name], new[name])] == []


def test_killed_before_any_of_its_steps_each_file_is_the_old_or_the_new_one(source: Source, tmp_path: Path) -> None:
    old, new = two_states(source, tmp_path)
    step, mixed, cut_off = 0, 0, True
    while cut_off:
        cut_off = killed(source, KILLED_BEFORE, step)
        found = content(source, tmp_path / f"step {step}")
        assert_each_is_old_or_new(found, old, new)
        mixed += found not in (old, new)
        if cut_off and found != old:
            restored(source, "--yes")
            assert content(source, tmp_path / f"again {step}") == new
            make_old(source)
        step += 1
    assert found == new
    assert step > 40, "the hook saw the restore's steps"
    assert mixed > 3, "some of them are between the first file and the last"


@contextmanager
def restoring(source: Source, sign: str) -> Iterator[subprocess.Popen[bytes]]:
    """A restore that has come so far that the file `sign` is there; what comes before the first one changes nothing."""
    process = subprocess.Popen(
        [sys.executable, "-m", "restore", "--yes"],
        env=source.process_environ,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    path = source.notes / sign if sign == "restoring.json" else source.sqlite / ".sidemirror" / sign
    deadline = time.monotonic() + 60
    while not path.exists() and process.poll() is None:
        assert time.monotonic() < deadline
        time.sleep(0.0005)
    yield process
    process.wait(timeout=60)


KILLS = 200 if NIGHTLY else 24


def test_killed_at_random_moments_each_file_is_the_old_or_the_new_one_and_it_can_be_finished(
    source: Source, tmp_path: Path
) -> None:
    old, new = two_states(source, tmp_path)
    lengths = {}
    for sign in ("staged/bot.db", "restoring.json"):
        with restoring(source, sign) as process:
            began = time.monotonic()
            process.wait(timeout=60)
            lengths[sign] = time.monotonic() - began
        make_old(source)
    chance = random.Random(20261122)
    outcomes: Counter[str] = Counter()
    for attempt in range(KILLS):
        sign = chance.choice(list(lengths))
        with restoring(source, sign) as process:
            threading.Event().wait(lengths[sign] * chance.random() ** 3)  # more early ones: a machine's pace varies
            process.kill()
        found = content(source, tmp_path / str(attempt))
        assert_each_is_old_or_new(found, old, new)
        outcome = "old" if found == old else "new" if found == new else "between"
        outcomes[outcome] += 1
        if outcome == "between" or attempt % 10 == 0:
            restored(source, "--yes")
            assert content(source, tmp_path / f"{attempt} finished") == new
        if content(source, tmp_path / f"{attempt} then") != old:
            shutil.rmtree(source.sqlite / "replaced", ignore_errors=True)
            make_old(source)
    restored(source, "--yes")
    assert content(source, tmp_path / "end") == new
    print(f"{KILLS} kills: {dict(outcomes)}")
    assert outcomes["old"], "some came before the swap"
    assert outcomes["between"] + outcomes["new"], "some came after it began"


def test_what_the_bot_wrote_after_a_cut_off_restore_is_kept_as_well(source: Source, tmp_path: Path) -> None:
    two_states(source, tmp_path)
    data = source.json / "data.json"
    assert killed(source, KILLED_BEFORE_RENAME, data)
    assert data.read_bytes() == b'"old"'
    written = data.with_suffix(".new")
    written.write_bytes(b'"written after the crash"')
    written.rename(data)
    told = restored(source, "--yes").stdout
    assert "An earlier restore was cut off" in told
    found = {path.read_bytes() for path in source.json.glob("replaced/*/data.json*")}
    assert {b'"old"', b'"written after the crash"'} <= found


def test_a_cut_off_restore_is_not_finished_under_a_running_bot(source: Source, tmp_path: Path) -> None:
    _, new = two_states(source, tmp_path)
    assert killed(source, KILLED_BEFORE_RENAME, source.sqlite / "bot.db")
    with another_process(source.sqlite / "bot.db", "BEGIN IMMEDIATE"):
        before = fingerprint(source)
        result = restore(source, "--yes")
        assert (result.returncode, fingerprint(source)) == (10, before)
    restored(source, "--yes")
    assert content(source, tmp_path / "after") == new


def test_a_cut_off_restore_is_finished_even_without_the_target(source: Source, tmp_path: Path) -> None:
    _, new = two_states(source, tmp_path)
    assert killed(source, KILLED_BEFORE_RENAME, source.sqlite / "bot.db")
    result = restore(source, "--yes", SUPABASE_DB_PORT="9")
    assert result.returncode == 4, result.stderr
    assert content(source, tmp_path / "after") == new


def test_the_target_lost_in_mid_restore_ends_with_4_and_nothing_is_touched(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    with source.database() as connection:
        connection.execute("CREATE TABLE big (a)")
        connection.executemany("INSERT INTO big VALUES (?)", [(bytes([n]) * 200_000,) for n in range(60)])
    source.run()
    before = fingerprint(source)
    with wire(source) as cable:
        cable.cut_after = 3_000_000
        result = restore(source, "--yes", **cable.environ)
    assert result.returncode == 4, result.stderr
    assert "Try: " in result.stderr
    assert "Traceback" not in result.stderr
    assert fingerprint(source) == before
    assert not list((source.sqlite / ".sidemirror").rglob("*.db*")), "what was staged is gone"
    restored(source, "--yes")


def test_two_restores_at_once_do_not_meet(source: Source) -> None:
    fill_all(source)
    source.run()
    with wire(source) as cable:
        cable.hold()
        first = subprocess.Popen(
            [sys.executable, "-m", "restore", "--yes"],
            env=source.process_environ | cable.environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        poll("the first has begun", (source.notes / "restoring.lock").exists)
        second = restore(source, "--yes")
        cable.go_on()
        told, _ = first.communicate(timeout=60)
    assert (first.returncode, second.returncode) == (0, 8), told + second.stderr
    assert "another restore is in progress" in second.stderr
