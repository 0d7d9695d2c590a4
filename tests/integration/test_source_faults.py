"""Sources that are broken, locked or in use: told by name, the mirror stays, and the other databases go on."""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from pathlib import Path

import oracle
import pytest
from fix_source import Source
from fix_writer import process, writing

from backup import documents, read_lock, snapshot
from mirror.errors import (
    SidemirrorError,
    SourceBusy,
    SourceCorrupt,
    SourceMissing,
    SourceUnreadable,
    SourceUnsupported,
)

GOOD = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y');"

HOLDER = """
import sqlite3, sys, time
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.executescript(sys.argv[2])
print("ready", flush=True)
time.sleep(60)
"""


def refused(source: Source, file: str, kind: type[SidemirrorError], *words: str) -> None:
    """The run refuses this file alone, names it, and the good one beside it arrives."""
    source.write(
        GOOD if not (source.sqlite / "good.db").exists() else f"INSERT INTO t (b) VALUES ('{file}')", "good.db"
    )
    report = source.try_run()
    [refusal] = report.refusals
    assert refusal.file == file
    assert isinstance(refusal.error, kind), refusal.error
    for word in (Path(file).name, *words):
        assert word in str(refusal.error)
    assert refusal.error.hint
    assert report.run is not None
    rebuilt = source.rebuild(report.run)["good.db"]
    assert oracle.differences(source.keep("good.db", report.run), rebuilt) == []


def test_a_file_that_is_not_sqlite_is_refused(source: Source) -> None:
    (source.sqlite / "notes.db").write_text("only some text, long enough to be no header at all")
    refused(source, "notes.db", SourceUnsupported, "not a SQLite file")


def test_an_encrypted_file_is_refused(source: Source) -> None:
    (source.sqlite / "secret.db").write_bytes(os.urandom(8192))
    refused(source, "secret.db", SourceUnsupported, "encrypted")


def test_rows_that_cannot_be_told_apart_are_refused(source: Source) -> None:
    source.write("CREATE TABLE t (rowid, oid, _rowid_);", "odd.db")
    refused(source, "odd.db", SourceUnsupported, "rowid")


def test_a_truncated_database_is_refused_and_its_mirror_stays(source: Source) -> None:
    source.write(GOOD + "INSERT INTO t (b) VALUES (hex(zeroblob(50000)));", "cut.db")
    source.point()
    before = source.read_state().database("cut.db")
    whole = (source.sqlite / "cut.db").read_bytes()
    (source.sqlite / "cut.db").write_bytes(whole[: len(whole) // 2])
    refused(source, "cut.db", SourceCorrupt)
    assert source.read_state().database("cut.db") == before


@pytest.mark.parametrize("length", [2, 15, 16, 99, 100, 511])
def test_a_database_cut_inside_its_header_is_refused(length: int, source: Source) -> None:
    source.write(GOOD, "cut.db")
    whole = (source.sqlite / "cut.db").read_bytes()
    (source.sqlite / "cut.db").write_bytes(whole[:length])
    refused(source, "cut.db", SourceCorrupt)


def test_a_database_that_became_empty_is_held(source: Source) -> None:
    source.environ["GUARD_SHRINK"] = "50%"
    source.write(GOOD, "gone.db")
    source.point()
    (source.sqlite / "gone.db").write_bytes(b"")
    refused(source, "gone.db", SidemirrorError, "held")


def test_a_corrupt_page_is_refused_and_its_mirror_stays(source: Source) -> None:
    source.write(GOOD + "INSERT INTO t (b) SELECT hex(zeroblob(500)) FROM t, t, t, t, t;", "bad.db")
    source.point()
    before = source.read_state().database("bad.db")
    with (source.sqlite / "bad.db").open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xde\xad\xbe\xef" * 200)
    refused(source, "bad.db", SourceCorrupt)
    assert source.read_state().database("bad.db") == before


def test_a_writer_that_holds_the_file_exclusively_is_waited_for_and_then_told(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(read_lock, "BUSY_SECONDS", 0.2)
    monkeypatch.setattr(snapshot.take, "__defaults__", (1.0,))
    source.write(GOOD, "held.db")
    with process(HOLDER, str(source.sqlite / "held.db"), "BEGIN EXCLUSIVE; INSERT INTO t (b) VALUES ('open');"):
        refused(source, "held.db", SourceBusy)
    source.point()
    source.verify()


def test_a_writer_that_lets_go_in_time_is_waited_for(source: Source) -> None:
    source.write(GOOD)
    connection = sqlite3.connect(source.sqlite / "bot.db", isolation_level=None, check_same_thread=False)
    connection.executescript("BEGIN EXCLUSIVE; INSERT INTO t (b) VALUES ('held')")
    release = threading.Timer(1.0, lambda: connection.execute("COMMIT"))
    release.start()
    try:
        source.point()
    finally:
        release.join()
        connection.close()
    source.verify()


def test_what_a_writer_has_not_committed_is_not_seen(source: Source) -> None:
    source.write(GOOD)
    with source.database() as connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("INSERT INTO t (b) VALUES ('not committed')")
        run = source.run().run
        connection.execute("ROLLBACK")
    assert run is not None
    assert oracle.differences(source.keep("bot.db", run), source.rebuild(run)["bot.db"]) == []


def test_a_missing_folder_ends_the_run_by_its_variable(source: Source) -> None:
    source.environ["SQLITE_DIR"] = str(source.folder / "nowhere")
    with pytest.raises(SourceMissing, match="nowhere") as caught:
        source.run()
    assert "SQLITE_DIR" in caught.value.hint


@pytest.mark.parametrize("name", [b"caf\xe9.db", b"caf\xe9.json"])
def test_a_name_that_is_not_utf_8_is_refused_alone(name: bytes, source: Source) -> None:
    folder = source.sqlite if name.endswith(b".db") else source.json
    path = os.fsencode(folder) + b"/" + name
    if name.endswith(b".db"):
        source.write(GOOD, "x.db")
        (source.sqlite / "x.db").rename(os.fsdecode(path))
    else:
        with open(path, "w") as file:  # noqa: PTH123
            file.write("{}")
    source.write(GOOD, "good.db")
    [refusal] = source.try_run().refusals
    assert isinstance(refusal.error, SourceUnsupported)
    assert "caf" in str(refusal.error)
    assert [database.file for database in source.read_state().databases] == ["good.db"]
    str(refusal.error).encode()


def test_a_half_written_document_is_waited_for(source: Source) -> None:
    path = source.json / "settings.json"
    path.write_text('{"a": ')
    threading.Timer(0.4, path.write_text, ['{"a": 1}']).start()
    source.run()
    assert source.target.query("SELECT body FROM sidemirror.documents_now WHERE source = %s", source.name) == [
        ({"a": 1},)
    ]


def test_a_document_that_stays_half_written_is_refused_and_its_last_version_stays(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents.read, "__defaults__", (documents.read.__defaults__[0], 0.3))
    (source.json / "settings.json").write_text('{"a": 1}')
    source.run()
    before = source.read_state().documents
    (source.json / "settings.json").write_text('{"a": ')
    source.write(GOOD, "good.db")
    [refusal] = source.try_run().refusals
    assert (refusal.file, type(refusal.error)) == ("settings.json", SourceCorrupt)
    assert source.read_state().documents == before


def test_an_idle_wal_database_in_a_read_only_folder_is_read(source: Source) -> None:
    source.write("PRAGMA journal_mode = WAL;" + GOOD)
    assert not (source.sqlite / "bot.db-wal").exists()
    source.sqlite.chmod(0o555)
    try:
        run = source.run().run
    finally:
        source.sqlite.chmod(0o755)
    assert run is not None
    assert sorted(path.name for path in source.sqlite.iterdir()) == ["bot.db"]
    assert oracle.differences(source.keep("bot.db", run), source.rebuild(run)["bot.db"]) == []


@pytest.mark.parametrize("mode", ["WAL", "DELETE"])
def test_a_killed_writer_leaves_nothing_of_its_last_transaction(mode: str, source: Source) -> None:
    script = f"PRAGMA journal_mode = {mode}; PRAGMA cache_size = 2; {GOOD} BEGIN; " + (
        "WITH RECURSIVE n(i) AS (SELECT 10 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
        "INSERT INTO t SELECT i, hex(zeroblob(200)) FROM n; UPDATE t SET b = 'torn' WHERE a < 3;"
    )
    with process(HOLDER, str(source.sqlite / "bot.db"), script):
        pass  # killed with a hot journal, or with an unfinished transaction in the WAL
    assert (source.sqlite / f"bot.db-{'wal' if mode == 'WAL' else 'journal'}").exists()
    source.sqlite.chmod(0o555)
    for path in source.sqlite.iterdir():
        path.chmod(0o444)
    try:
        run = source.run().run
    finally:
        source.sqlite.chmod(0o755)
        for path in source.sqlite.iterdir():
            path.chmod(0o644)
    assert run is not None
    rebuilt = source.rebuild(run)["bot.db"]
    assert oracle.describe(rebuilt)["tables"][b"t"] == [
        (1, ("integer", 1), ("text", b"x")),
        (2, ("integer", 2), ("text", b"y")),
    ]


@pytest.mark.parametrize(("mode", "reopen"), [("WAL", False), ("WAL", True), ("DELETE", False), ("TRUNCATE", True)])
def test_every_restore_point_is_of_one_instant_while_writers_come_go_and_are_killed(
    mode: str, reopen: bool, source: Source
) -> None:
    runs = []
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline or len(runs) < 4:
        with writing(source.sqlite / "bot.db", mode, reopen):
            runs += [source.run().run for _ in range(3)]
    for run in sorted({run for run in runs if run})[::3]:
        tables = oracle.describe(source.rebuild(run)["bot.db"])["tables"]
        assert sum(amount for _, _, (_, amount) in tables[b"account"]) == 4000, f"run {run} is torn"
        assert len(tables[b"log"]) == len({row[0] for row in tables[b"log"]})
    source.point()
    source.verify()


def test_an_unreadable_file_is_refused_by_its_reason(source: Source) -> None:
    source.write(GOOD, "private.db")
    (source.sqlite / "private.db").chmod(0)
    refused(source, "private.db", SourceUnreadable, "Permission denied")
