"""Outside of WAL mode nobody waits for a copy, and whatever is written meanwhile, the copy is of one instant."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import oracle
import pytest

from backup import snapshot, sums, unlocked_copy
from backup.refresh import Base

BOT = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None, timeout=0)
connection.execute("PRAGMA cache_size = 1")
connection.execute("PRAGMA synchronous = OFF")
for line in sys.stdin:
    try:
        connection.execute(line)
        print("done", flush=True)
    except sqlite3.OperationalError as error:
        print(error, flush=True)
"""
START = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2500)
INSERT INTO t SELECT i, 0, hex(randomblob(1030)) FROM n;
"""
EACH = "UPDATE t SET a = a + 1 WHERE id % 100 = 7"
OTHER = "UPDATE t SET a = 5 WHERE id = 2400"

Say = Callable[[str], str]


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Some blocks of a megabyte, in rollback mode."""
    path = tmp_path / "bot.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(START)
    assert path.stat().st_size > snapshot.SMALL_BYTES
    return path


@pytest.fixture
def bot(source: Path) -> Iterator[Say]:
    """A bot in a process of its own, which never waits: each statement is done, or refused at once."""
    command = [sys.executable, "-c", BOT, str(source)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        inward, outward = process.stdin, process.stdout

        def say(statement: str) -> str:
            inward.write(f"{statement}\n")
            inward.flush()
            return outward.readline().strip()

        yield say
        inward.close()


def at_each_block(monkeypatch: pytest.MonkeyPatch, happens: Callable[[int], None]) -> None:
    """Something happens before each block is read; it is told how many there were."""
    read, done = unlocked_copy._read, 0

    def reading(file: int, at: int) -> bytes:
        nonlocal done
        happens(done)
        done += 1
        return read(file, at)

    monkeypatch.setattr(unlocked_copy, "_read", reading)


def taken(source: Path, into: Path, base: Base | None = None) -> snapshot.Snapshot:
    found = snapshot.take(source, into, True, base)
    assert found.sums.values == sums.of_file(into).values
    return found


def test_a_bot_that_writes_while_the_file_is_copied_waits_only_for_the_last_comparison(
    source: Path, bot: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    at_each_block(monkeypatch, lambda _: said.append(bot(EACH)))
    taken(source, tmp_path / "copy.sqlite")
    first, rest = len(said) // 3, said[2 * (len(said) // 3) :]
    assert set(said[: 2 * first]) == {"done"}
    assert set(rest) == {"database is locked"}
    assert oracle.differences(source, tmp_path / "copy.sqlite") == []


@pytest.mark.parametrize("again", [False, True])
def test_what_was_written_and_taken_back_meanwhile_is_in_no_copy(
    again: bool, source: Path, bot: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With so little cache its pages are in the file before it is rolled back, and no commit is ever counted."""
    base = None
    if again:
        first = taken(source, tmp_path / "shadow.sqlite")
        base = Base(first.path, None, frozenset(), None, first.sums)
    steps = {1: "BEGIN", 2: "UPDATE t SET a = 9, b = b || 'not yet'", 4: "ROLLBACK"}
    said: list[str] = []
    at_each_block(monkeypatch, lambda number: said.extend(bot(step) for at, step in steps.items() if at == number))
    found = taken(source, tmp_path / "copy.sqlite", base)
    assert said == ["done"] * 3
    assert oracle.differences(source, tmp_path / "copy.sqlite") == []
    assert found.changed == (frozenset() if again else None)


def test_only_what_changed_is_in_the_list_of_changed_pages(
    source: Path, bot: Say, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = taken(source, tmp_path / "shadow.sqlite")
    assert bot(EACH) == "done"
    base = Base(first.path, None, frozenset(), None, first.sums)
    said: list[str] = []
    at_each_block(
        monkeypatch, lambda number: said.append(bot("UPDATE t SET a = 5 WHERE id = 2400")) if number == 2 else None
    )
    found = taken(source, tmp_path / "copy.sqlite", base)
    assert said == ["done"]
    assert oracle.differences(source, tmp_path / "copy.sqlite") == []
    assert found.changed is not None
    assert 25 <= len(found.changed) <= 30


def test_a_spare_copy_is_brought_up_to_date(source: Path, bot: Say, tmp_path: Path) -> None:
    first = taken(source, tmp_path / "1.sqlite")
    bot(EACH)
    second = taken(source, tmp_path / "2.sqlite", Base(first.path, None, frozenset(), None, first.sums))
    first.path.rename(tmp_path / "1.spare")
    bot("DELETE FROM t WHERE id > 2000")
    bot("VACUUM")
    assert second.changed is not None
    base = Base(second.path, tmp_path / "1.spare", second.changed, None, second.sums)
    third = taken(source, tmp_path / "3.sqlite", base)
    assert oracle.differences(source, third.path) == []
    assert third.changed is not None
    assert not (tmp_path / "1.spare").exists()
