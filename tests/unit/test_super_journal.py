"""A commit over two attached databases that was cut off is read as SQLite will settle it, whatever path the bot knows."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from backup import snapshot
from mirror.errors import SourceUnreadable
from mirror.super_journal import super_journal

# Money goes from one database to the other. With so small a cache, pages of the transaction are in the files before it ends.
BOT = """
import sqlite3, sys, time
one = sqlite3.connect(sys.argv[1], isolation_level=None)
one.execute("ATTACH ? AS other", (sys.argv[2],))
for name, sign in (("main", "-"), ("other", "+")):
    one.execute(f"PRAGMA {name}.cache_size = 1")
    one.execute("PRAGMA cache_spill = 1")
one.execute("BEGIN")
for name, sign in (("main", "-"), ("other", "+")):
    one.execute(f"UPDATE {name}.t SET amount = amount {sign} 50, filling = filling || 'x'")
print("ready", flush=True)
time.sleep(600)
"""
MAGIC = bytes.fromhex("d9d505f920a163d7")


def bot_is_killed(folder: Path) -> None:
    """In the middle of its commit: the super-journal is written, and each journal names it."""
    for name in ("one.db", "other.db"):
        with closing(sqlite3.connect(folder / name, isolation_level=None)) as made:
            made.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, amount INTEGER, filling TEXT)")
            made.executemany("INSERT INTO t VALUES (?, 100, ?)", [(number, "y" * 900) for number in range(60)])
    started = subprocess.Popen(
        [sys.executable, "-c", BOT, str(folder / "one.db"), str(folder / "other.db")], stdout=subprocess.PIPE, text=True
    )
    with started:
        assert started.stdout is not None
        assert started.stdout.readline() == "ready\n"
        started.kill()
    journals = [folder / f"{name}-journal" for name in ("one.db", "other.db")]
    name = str(folder / "one.db-mj1234ABCD").encode()
    (folder / "one.db-mj1234ABCD").write_bytes(b"".join(str(journal).encode() + b"\0" for journal in journals))
    for journal in journals:  # as pager.c, writeSuperJournal
        with journal.open("ab") as file:
            lock_page = (1 << 30) // 4096 + 1
            file.write(lock_page.to_bytes(4, "big") + name + len(name).to_bytes(4, "big"))
            file.write(sum(name).to_bytes(4, "big") + MAGIC)


def amounts(path: Path) -> set[int]:
    with closing(sqlite3.connect(path)) as connection:
        return {amount for (amount,) in connection.execute("SELECT amount FROM t")}


@pytest.fixture
def cut_off(tmp_path: Path) -> Path:
    folder = tmp_path / "the bot's path"
    folder.mkdir()
    bot_is_killed(folder)
    assert super_journal(folder / "one.db-journal") == str(folder / "one.db-mj1234ABCD")
    return folder


def elsewhere(folder: Path) -> Path:
    """The same folder under the path that the sidecar has for it."""
    return folder.rename(folder.with_name("the sidecar's path"))


def taken(folder: Path, name: str) -> set[int]:
    copy = folder.parent / f"copy-{name}"
    snapshot.take(folder / name, copy, full_check=True)
    return amounts(copy)


@pytest.mark.parametrize("moved", [False, True])
def test_what_was_not_committed_is_not_mirrored_under_any_path(cut_off: Path, moved: bool) -> None:
    folder = elsewhere(cut_off) if moved else cut_off
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert [taken(folder, name) for name in ("one.db", "other.db")] == [{100}, {100}]
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    if not moved:  # as SQLite itself settles it
        assert [amounts(folder / name) for name in ("one.db", "other.db")] == [{100}, {100}]


def test_what_was_committed_is_mirrored_although_its_journal_is_still_there(cut_off: Path) -> None:
    for name in ("one.db", "other.db"):  # what is not in the file yet would be written before the super-journal goes
        with closing(sqlite3.connect(cut_off / name)) as connection:
            connection.execute("SELECT count(*) FROM t").fetchone()
            connection.execute("UPDATE t SET amount = amount + CASE ? WHEN 'one.db' THEN -50 ELSE 50 END", (name,))
            shutil.copyfile(cut_off / f"{name}-journal", cut_off / "kept")
            connection.commit()
        journal = (cut_off / "kept").read_bytes()
        tail = str(cut_off / "one.db-mj1234ABCD").encode()
        end = tail + len(tail).to_bytes(4, "big") + sum(tail).to_bytes(4, "big") + MAGIC
        (cut_off / f"{name}-journal").write_bytes(journal + ((1 << 30) // 4096 + 1).to_bytes(4, "big") + end)
    (cut_off / "kept").unlink()
    (cut_off / "one.db-mj1234ABCD").unlink()
    assert [taken(cut_off, name) for name in ("one.db", "other.db")] == [{50}, {150}]


def test_where_nobody_can_tell_the_file_is_refused_with_the_reason(cut_off: Path) -> None:
    (cut_off / "one.db-mj1234ABCD").unlink()
    folder = elsewhere(cut_off)
    with pytest.raises(SourceUnreadable, match=r"commit over several databases, and one\.db-mj1234ABCD") as raised:
        taken(folder, "other.db")
    assert "start the bot" in raised.value.hint
