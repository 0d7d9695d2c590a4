"""Runs that read only changed pages: what they send is what changed, and nothing that is lost in between misleads them."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import oracle
import pytest
from fix_source import Source

from backup import snapshot
from backup.run import Report, run
from backup.session import Session
from backup.take_over import take_over
from mirror.errors import SidemirrorError, TargetTaken
from mirror.target import connected

ROWS = 60_000
BOT = f"""
PRAGMA journal_mode = WAL;
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b INTEGER);
CREATE TABLE k (x TEXT, y INTEGER, v BLOB, PRIMARY KEY (x, y));
CREATE TABLE w (x INTEGER PRIMARY KEY, v) WITHOUT ROWID;
CREATE INDEX i ON t (b);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ROWS})
INSERT INTO t SELECT i, 'a row with some text in it ' || i, i FROM n;
INSERT INTO k SELECT 'key ' || id, id, zeroblob(3) FROM t WHERE id % 3 = 0;
INSERT INTO k VALUES ('large', 1, zeroblob(100000));
INSERT INTO w SELECT id, 'w' FROM t WHERE id < 500;
"""


@pytest.fixture
def bot(source: Source) -> Iterator[sqlite3.Connection]:
    """A bot that has a database of more than 4 MB open, mirrored once."""
    source.write(BOT)
    with closing(sqlite3.connect(source.sqlite / "bot.db", isolation_level=None)) as connection:
        connection.execute("SELECT count(*) FROM t").fetchone()
        source.run()
        assert (source.sqlite / "bot.db").stat().st_size > snapshot.SMALL_BYTES
        yield connection


@pytest.fixture
def session() -> Iterator[Session]:
    with closing(Session()) as made:
        yield made


def change(source: Source, session: Session) -> Report:
    report = run(source.settings, "change", session=session)
    assert report.refusals == ()
    return report


def copies(source: Source) -> list[str]:
    return sorted(path.suffix for path in (source.state / "shadow").glob("*/*"))


def note(source: Source) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((source.state / "signatures.json").read_text())["bot.db"][2]
    return found


def test_many_small_runs_end_where_one_full_run_does(source: Source, bot: sqlite3.Connection, session: Session) -> None:
    for number in range(12):
        bot.execute(f"UPDATE t SET a = a || '!' WHERE id % 9973 = {number}")
        bot.execute("DELETE FROM t WHERE id = ?", (100 + number,))
        bot.execute("INSERT INTO k VALUES (?, ?, randomblob(9000))", (f"new {number}", number))
        if number % 4 == 3:
            bot.execute("UPDATE w SET v = ? WHERE x = ?", (number, number))
        if number % 5 == 4:
            bot.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        counts = change(source, session).counts
        expected = len(range(number or 9973, ROWS + 1, 9973)) + 1 + (number % 4 == 3)
        assert (counts.upserted, counts.deleted) == (expected, 1)
        assert copies(source) == [".spare", ".sqlite", ".sums"]
        assert 0 < len(note(source)["pages"]) < 200
    assert not source.run("full").committed
    bot.close()
    source.point("full")
    source.verify()


def test_an_overflow_page_that_changes_alone_is_a_changed_row(
    source: Source, bot: sqlite3.Connection, session: Session
) -> None:
    bot.execute("UPDATE t SET a = 'x' WHERE id = 1")
    change(source, session)
    bot.execute("UPDATE k SET v = zeroblob(99999) || x'01' WHERE x = 'large'")
    bot.execute("UPDATE k SET v = CAST(v AS BLOB) WHERE x = 'large'")
    change(source, session)
    bot.execute("UPDATE k SET v = CAST(zeroblob(99999) || x'02' AS BLOB) WHERE x = 'large'")
    assert change(source, session).counts.upserted == 1
    assert not source.run("full").committed


def test_a_shadow_that_was_made_again_is_not_taken_for_the_one_that_a_note_is_about(
    source: Source, bot: sqlite3.Connection, session: Session
) -> None:
    for number in range(3):
        bot.execute(f"UPDATE t SET a = 'before {number}' WHERE id = 7")
        change(source, session)
    [shadow] = (source.state / "shadow").glob("*/*.sqlite")
    shadow.write_bytes(b"damaged" * 1000)
    bot.execute("UPDATE t SET a = 'after' WHERE id = 50000")
    report = change(source, session)
    assert (report.counts.upserted, report.counts.deleted) == (1, 0)
    for number in range(3):
        bot.execute(f"UPDATE t SET a = 'later {number}' WHERE id % 20000 = 7")
        assert change(source, session).counts.upserted == 3
    assert not source.run("full").committed


def test_an_old_state_folder_that_is_put_back_is_refused_like_a_clone_and_misleads_nobody_after_a_take_over(
    source: Source, bot: sqlite3.Connection, session: Session, tmp_path: Path
) -> None:
    for number in range(3):
        bot.execute(f"UPDATE t SET a = 'before {number}' WHERE id = 7")
        change(source, session)
    shutil.copytree(source.state, tmp_path / "old")
    for number in range(3):
        bot.execute(f"UPDATE t SET a = 'between {number}' WHERE id = 8")
        change(source, session)
    shutil.rmtree(source.state)
    shutil.copytree(tmp_path / "old", source.state)
    bot.execute("UPDATE t SET a = 'after' WHERE id = 9")
    with pytest.raises(TargetTaken, match="put back to an earlier time"):
        change(source, session)
    with connected(source.settings) as connection:
        take_over(connection, source.settings, source.read_state())
    change(source, session)
    assert not source.run("full").committed


def flip(path: Path, query: str, *, at: int) -> None:
    """Turns one bit in the page that the query names, as a bad disk does: nothing else shows it."""
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        [(page, size)] = connection.execute(f"SELECT pageno, pgsize FROM dbstat WHERE {query}").fetchall()
    before = path.stat()
    with path.open("r+b") as file:
        file.seek((page - 1) * size + at)
        byte = file.read(1)[0]
        file.seek(-1, os.SEEK_CUR)
        file.write(bytes([byte ^ 1]))
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# The fourth leaf of t has rows of the same range of rowids as the row that is changed.
DAMAGES = {
    "a row beside the changed one": ("name = 't' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 3", 4000),
    "an inner page": ("name = 't' AND path = '/'", 4092),
    "an overflow page": ("name = 'k' AND pagetype = 'overflow' ORDER BY path LIMIT 1", 2000),
    "a page that nobody reads yet": ("name = 't' AND pagetype = 'leaf' ORDER BY path LIMIT 1 OFFSET 300", 4000),
    "an index": ("name = 'sqlite_autoindex_k_1' AND pagetype = 'leaf' ORDER BY path LIMIT 1", 4000),
}


@pytest.mark.parametrize("which", ["sqlite", "spare"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_one_wrong_bit_in_a_copy_is_mended_and_nobody_is_blamed(
    which: str, damage: str, source: Source, bot: sqlite3.Connection, session: Session, caplog: pytest.LogCaptureFixture
) -> None:
    bot.execute("UPDATE k SET v = CAST(zeroblob(99999) || x'02' AS BLOB) WHERE x = 'large'")
    for number in range(3):
        bot.execute(f"UPDATE t SET a = 'before {number}' WHERE id = 7")
        change(source, session)
    [copy] = (source.state / "shadow").glob(f"*/*.{which}")
    query, at = DAMAGES[damage]
    flip(copy, query, at=at)
    [rowid] = bot.execute("SELECT rowid FROM k WHERE x = 'large'").fetchone()
    for number in range(3):
        bot.execute(f"UPDATE t SET a = 'after {number}' WHERE id IN (7, 50000)")
        bot.execute("UPDATE k SET v = ? WHERE rowid IN (?, 5)", (f"after {number}", rowid - 1))
        counts = change(source, session).counts
        assert (counts.upserted, counts.deleted) == (4, 0)
    assert not source.run("full").committed
    bot.close()
    for file in source.rebuild(source.read_state().last_run).values():
        assert oracle.differences(source.sqlite / "bot.db", file) == []
    assert "bad disk" in caplog.text or damage in ("a page that nobody reads yet", "an index")


def test_a_run_that_the_target_refuses_leaves_the_next_one_everything(
    source: Source, bot: sqlite3.Connection, session: Session
) -> None:
    bot.execute("UPDATE t SET a = 'before' WHERE id = 7")
    change(source, session)
    bot.execute("UPDATE t SET a = 'refused' WHERE id = 8")
    schema = source.read_state().databases[0].schema_name
    source.target.query(f"GRANT USAGE ON SCHEMA {schema} TO anon")
    with pytest.raises(SidemirrorError):
        change(source, session)
    source.target.query(f"REVOKE USAGE ON SCHEMA {schema} FROM anon")
    bot.execute("UPDATE t SET a = 'after' WHERE id = 9")
    assert change(source, session).counts.upserted == 2
    assert not source.run("full").committed


def test_a_damaged_page_that_is_written_to_is_refused(
    source: Source, bot: sqlite3.Connection, session: Session
) -> None:
    bot.execute("UPDATE t SET a = 'before' WHERE id = 7")
    change(source, session)
    [(page,)] = bot.execute(
        "SELECT pageno FROM dbstat WHERE name = 't' AND pagetype = 'leaf' LIMIT 1 OFFSET 40"
    ).fetchall()
    [(data,)] = bot.execute("SELECT data FROM sqlite_dbpage WHERE pgno = ?", (page,)).fetchall()
    broken = bytearray(data)
    broken[8:10] = broken[10:12]  # two pointers to one cell
    bot.execute("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", (bytes(broken), page))
    report = run(source.settings, "change", session=session)
    [refusal] = report.refusals
    assert "is corrupt" in refusal.error.what
    bot.execute("UPDATE sqlite_dbpage SET data = ? WHERE pgno = ?", (data, page))
    bot.execute("UPDATE t SET a = 'mended' WHERE id = 8")
    assert change(source, session).counts.upserted == 1
