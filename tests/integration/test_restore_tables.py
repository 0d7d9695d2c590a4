"""restore --only database.table: into the file that is there, proved before it is committed, and taken back by --undo."""

from __future__ import annotations

import re
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import oracle
import pytest
from fix_source import Source
from restoring import another_process, content, described, fill_all, fingerprint, restore, restored

from mirror import settings
from mirror.errors import RestoreError
from restore import run
from restore.config import RestoreSettings
from restore.request import Request

SHOP = """
CREATE TABLE users (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, age);
CREATE TABLE payments (id INTEGER PRIMARY KEY, user_id INTEGER REFERENCES users (id) ON DELETE CASCADE, stars INTEGER);
CREATE TABLE log (line TEXT);
CREATE INDEX by_user ON payments (user_id);
CREATE TRIGGER paid AFTER INSERT ON payments BEGIN INSERT INTO log VALUES ('paid ' || new.id); END;
CREATE TRIGGER gone AFTER DELETE ON payments BEGIN INSERT INTO log VALUES ('gone ' || old.id); END;
CREATE VIEW totals AS SELECT user_id, sum(stars) AS stars FROM payments GROUP BY user_id;
INSERT INTO users (name, age) VALUES ('ann', 30), ('bob', '40'), ('eve', 1.5), ('nul' || char(0), x'00');
INSERT INTO payments VALUES (1, 1, 10), (2, 1, 20), (3, 2, 'many'), (4, 3, 2.5);
"""


def table(path: Path, name: str) -> list[Any]:
    with closing(oracle.open_private(path)) as connection:
        return oracle.rows(connection, name.encode())


def here(source: Source, *names: str) -> None:
    """A restore in this process, which takes less time than one of its own."""
    run.restore(settings.load(RestoreSettings, source.environ), Request(only=names), lambda plan: None)


@pytest.fixture
def shop(source: Source) -> Source:
    source.write(SHOP)
    source.run()
    return source


def test_a_table_comes_back_and_no_other_changes(shop: Source, tmp_path: Path) -> None:
    path = shop.sqlite / "bot.db"
    then = oracle.describe(path)["tables"]
    shop.write(
        "DELETE FROM payments WHERE id < 3; UPDATE payments SET stars = '7' WHERE id = 4; "
        "INSERT INTO payments VALUES (9, 1, 1); UPDATE users SET age = 99; INSERT INTO log VALUES ('later')"
    )
    now = oracle.describe(path)
    told = restored(shop, "--yes", "--only", "bot.payments").stdout
    after = oracle.describe(path)
    assert after["tables"][b"payments"] == then[b"payments"]
    assert after["tables"] | {b"payments": now["tables"][b"payments"]} == now["tables"], "no trigger has fired"
    assert (after["schema"], after["header"]) == (now["schema"], now["header"])
    assert oracle.integrity(path) == []
    assert "bot.db: payments  4 rows" in told
    assert "restore --undo" in told
    restored(shop, "--yes", "--undo")
    assert oracle.describe(path) == now
    restored(shop, "--yes", "--undo")
    assert oracle.describe(path) == after


def test_tables_documents_and_whole_files_mix(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.write("CREATE TABLE u (a); INSERT INTO u VALUES (1); CREATE TABLE w (a); INSERT INTO w VALUES (1)")
    source.run()
    old = content(source, tmp_path / "old")
    for file in ("bot.db", "sub/wal.db"):
        source.write("UPDATE t SET a = 'new'; DELETE FROM k", file)
    source.write("UPDATE u SET a = 2; UPDATE w SET a = 2")
    (source.json / "data.json").write_text('"new"')
    (source.json / "sub" / "more.json").write_text('"new"')
    new = content(source, tmp_path / "new")
    only = [word for name in ("bot.db.T", "bot.u", "sub/wal.db", "sub/wal.k", "data.json") for word in ("--only", name)]
    restored(source, "--yes", *only)
    after = content(source, tmp_path / "after")
    assert after["bot.db"]["tables"] == new["bot.db"]["tables"] | {
        name: old["bot.db"]["tables"][name] for name in (b"t", b"u")
    }
    assert (after["sub/wal.db"], after["data.json"]) == (old["sub/wal.db"], old["data.json"])
    assert after["sub/more.json"] == new["sub/more.json"]
    assert not list((source.sqlite / ".sidemirror").rglob("*.tables"))
    restored(source, "--yes", "--undo")
    assert content(source, tmp_path / "undone") == new


def test_a_dropped_table_comes_back_with_its_indexes_triggers_and_counter(shop: Source) -> None:
    path = shop.sqlite / "bot.db"
    then = oracle.describe(path)
    shop.write("PRAGMA foreign_keys = OFF; DROP TABLE payments; DROP TABLE users")
    restored(shop, "--yes", "--only", "bot.users", "--only", "bot.payments")
    after = oracle.describe(path)
    assert after["tables"] == then["tables"]
    assert after["schema"] == then["schema"]
    assert oracle.integrity(path) == []


def test_an_older_point_of_a_table_in_wal_mode_with_rows_only_in_the_wal(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    path = source.sqlite / "sub" / "wal.db"
    then = described(path, tmp_path / "then.db")
    source.write("DELETE FROM t WHERE id > 7", "sub/wal.db")
    source.run()
    with another_process(path, "PRAGMA wal_autocheckpoint = 0", "UPDATE t SET a = 'in the WAL'", "DELETE FROM k"):
        pass
    now = described(path, tmp_path / "now.db")
    restored(source, "--yes", "--run", "1", "--only", "sub/wal.t")
    after = described(path, tmp_path / "after.db")
    assert after == now | {"tables": now["tables"] | {b"t": then["tables"][b"t"]}}
    [kept] = (source.sqlite / "replaced").iterdir()
    assert described(kept / "sub" / "wal.db", tmp_path / "kept.db") == now


def test_an_autoincrement_counter_never_goes_back(source: Source) -> None:
    source.write(SHOP + "INSERT INTO users (id, name) VALUES (9, 'gone'); DELETE FROM users WHERE id = 9;")
    source.run()
    path = source.sqlite / "bot.db"
    for since, counter in (
        ("INSERT INTO users (id, name) VALUES (12, 'new'); DELETE FROM users WHERE id = 12", 12),
        ("DELETE FROM sqlite_sequence", 9),
        ("UPDATE sqlite_sequence SET seq = 2", 9),
    ):
        source.write(since)
        here(source, "bot.users")
        assert table(path, "sqlite_sequence")[0][2] == ("integer", counter)


PECULIAR = """
CREATE TABLE p1 (k TEXT COLLATE NOCASE, v, PRIMARY KEY (k)) WITHOUT ROWID;
INSERT INTO p1 VALUES ('a', 1), ('B', x'00'), ('c' || char(0), 9e999);
CREATE TABLE p2 (k);
INSERT INTO p2 (rowid, k) VALUES (-9, 'a'), (70, -0.0), (71, NULL);
CREATE TABLE p3 (rowid TEXT, oid);
INSERT INTO p3 VALUES ('a', 1), ('b', 2);
CREATE TABLE p4 (a, b AS (a || '!') STORED UNIQUE, c AS (length(a)));
INSERT INTO p4 (a) VALUES ('x'), ('yy');
CREATE TABLE p5 (a ANY, b INT, c BLOB) STRICT;
INSERT INTO p5 VALUES ('1', 1, x'01'), (1, 2, NULL);
CREATE TABLE p6 (a UNIQUE ON CONFLICT IGNORE, b NOT NULL ON CONFLICT REPLACE DEFAULT 1);
INSERT INTO p6 VALUES (1, 2), (2, 3);
CREATE TABLE p7 (a TEXT);
INSERT INTO p7 VALUES (CAST(x'ff00fe' AS TEXT)), ('a' || char(0) || 'b');
CREATE VIRTUAL TABLE p8 USING fts5(a, b);
INSERT INTO p8 VALUES ('one', 'two'), ('three', 'four');
CREATE VIRTUAL TABLE p9 USING rtree(id, x, y);
INSERT INTO p9 VALUES (1, 2, 3), (4, 5, 6);
"""


def test_tables_of_every_kind_come_back_emptied_or_dropped(source: Source) -> None:
    source.write("CREATE TABLE other (a); INSERT INTO other VALUES (1);" + PECULIAR)
    source.run()
    path = source.sqlite / "bot.db"
    then = oracle.describe(path)
    only = [word for number in range(1, 10) for word in ("--only", f"bot.p{number}")]
    for change in ("DELETE FROM", "DROP TABLE"):
        source.write("UPDATE other SET a = 2;" + "".join(f"{change} p{number};" for number in range(1, 10)))
        restored(source, "--yes", *only)
        after = oracle.describe(path)
        assert table(path, "other") == [(1, ("integer", 2))]
        assert after["tables"] | {b"other": then["tables"][b"other"]} == then["tables"]
        assert after["schema"] == then["schema"]
        assert oracle.integrity(path) == []
    with source.database() as connection:
        assert connection.execute("SELECT b FROM p8 WHERE p8 MATCH 'three'").fetchall() == [("four",)]
        connection.execute("INSERT INTO p8 (p8) VALUES ('integrity-check')")
        assert connection.execute("SELECT rtreecheck('p9')").fetchone() == ("ok",)


REFUSED = {
    "a column that is new": ("ALTER TABLE payments ADD COLUMN note TEXT", "payments", "the column note is new"),
    "a column that is gone": ("ALTER TABLE users DROP COLUMN age", "users", "the column age is gone"),
    "a column of another type": (
        "DROP TABLE log; CREATE TABLE log (line BLOB)",
        "log",
        "the column line was declared TEXT and is BLOB",
    ),
    "a key that was none": (
        "DROP TABLE log; CREATE TABLE log (line TEXT PRIMARY KEY) WITHOUT ROWID",
        "log",
        "it has become a table WITHOUT ROWID",
    ),
    "columns in another order": (
        "DROP TABLE payments; CREATE TABLE payments (id INTEGER PRIMARY KEY, stars INTEGER, user_id INTEGER)",
        "payments",
        "its columns stand in another order",
    ),
    "a view in its place": ("DROP TABLE log; CREATE VIEW log AS SELECT 1", "log", "there is a view of that name now"),
    "a rule that the rows break": (
        "CREATE UNIQUE INDEX once ON payments (user_id) WHERE user_id = 1 AND id > 2 OR id < 3",
        "payments",
        "break a rule that bot.db has now: UNIQUE constraint failed",
    ),
    "an index that has its name": (
        "DROP TABLE payments; CREATE INDEX by_user ON users (age)",
        "payments",
        "by_user already exists",
    ),
}


@pytest.mark.parametrize("what", REFUSED)
def test_it_is_refused_with_9_and_nothing_changes_for(what: str, shop: Source) -> None:
    script, name, why = REFUSED[what]
    shop.write("PRAGMA foreign_keys = OFF; DELETE FROM payments WHERE user_id = 1" if "once" in script else "SELECT 1")
    shop.write(script)
    before = fingerprint(shop)
    with pytest.raises(RestoreError, match=re.escape(why)) as refused:
        here(shop, f"bot.{name}")
    assert "--only bot.db" in refused.value.hint
    assert fingerprint(shop) == before
    assert not list(shop.sqlite.glob("replaced/*/*")), "nothing is kept of what did not happen"


NAMES = {
    "bot.nothing": (11, "bot.db has no table nothing at restore point 1\n  Try: it has log, payments, search, users"),
    "bot.totals": (9, "totals of bot.db is a view"),
    "bot.sqlite_sequence": (9, "sqlite_sequence of bot.db is SQLite's own"),
    "bot.search_data": (9, "restore the whole of it: --only bot.search"),
    "other.payments": (11, "restore point 1 has no other.payments"),
}


def test_names_that_cannot_be_restored_by_themselves_are_refused(source: Source) -> None:
    source.write(SHOP + "CREATE VIRTUAL TABLE search USING fts5(a);")
    source.run()
    for name, (code, words) in NAMES.items():
        with pytest.raises(RestoreError, match=re.escape(words)) as refused:
            here(source, name)
        assert refused.value.exit_code == code


def test_files_that_cannot_take_a_table_are_refused(shop: Source) -> None:
    path = shop.sqlite / "bot.db"
    path.rename(path.with_suffix(".away"))
    missing = restore(shop, "--yes", "--only", "bot.users")
    assert (missing.returncode, "restore the whole file: --only bot.db" in missing.stderr) == (9, True), missing.stderr
    path.write_bytes(b"SQLite format 3\0" + b"\xff" * 9000)
    damaged = restore(shop, "--yes", "--only", "bot.users")
    assert (damaged.returncode, "is damaged" in damaged.stderr) == (9, True), damaged.stderr
    path.unlink()
    with closing(sqlite3.connect(path)) as other:
        other.executescript("PRAGMA encoding = 'UTF-16le'; CREATE TABLE users (a)")
    encoded = restore(shop, "--yes", "--only", "bot.users")
    assert (encoded.returncode, "another text encoding" in encoded.stderr) == (9, True), encoded.stderr


def test_it_is_refused_while_the_bot_has_the_file_open(shop: Source) -> None:
    for statements in (["PRAGMA journal_mode = WAL", "SELECT * FROM users"], ["BEGIN IMMEDIATE"]):
        with another_process(shop.sqlite / "bot.db", *statements):
            before = fingerprint(shop)
            result = restore(shop, "--yes", "--only", "bot.users")
            assert (result.returncode, fingerprint(shop)) == (10, before)
        assert "docker compose stop bot" in result.stderr


def test_rows_that_would_refer_to_nothing_are_named_and_nothing_is_committed(shop: Source, tmp_path: Path) -> None:
    path = shop.sqlite / "bot.db"
    then = oracle.describe(path)["tables"]
    shop.write("PRAGMA foreign_keys = ON; DELETE FROM users WHERE name = 'ann'")  # takes her payments along
    before = fingerprint(shop)
    refused = restore(shop, "--yes", "--only", "bot.payments")
    assert (refused.returncode, fingerprint(shop)) == (9, before)
    assert "2 rows would refer to rows that are not there: payments row 1 (user_id = 1) -> users; " in refused.stderr
    assert "--only bot.users" in refused.stderr
    assert "--allow-violations" in refused.stderr
    shutil.copy(path, tmp_path / "before.db")

    restored(shop, "--yes", "--only", "bot.payments", "--allow-violations")
    assert table(path, "payments") == then[b"payments"]
    restored(shop, "--yes", "--undo")
    assert oracle.differences(path, tmp_path / "before.db") == []
    restored(shop, "--yes", "--only", "bot.payments", "--only", "bot.users")
    assert oracle.describe(path)["tables"] | {b"log": then[b"log"]} == then


def test_rows_of_others_that_would_refer_to_nothing_are_named_too(shop: Source) -> None:
    shop.write("INSERT INTO users (name) VALUES ('new'); INSERT INTO payments VALUES (50, 5, 1)")
    refused = restore(shop, "--yes", "--only", "bot.users")
    assert refused.returncode == 9
    assert "payments row 50 (user_id = 5) -> users" in refused.stderr
    assert "--only bot.payments" in refused.stderr


def test_rows_that_referred_to_nothing_before_are_no_reason_to_refuse(shop: Source) -> None:
    shop.write("PRAGMA foreign_keys = OFF; INSERT INTO payments VALUES (77, 1234, 1)")
    restored(shop, "--yes", "--only", "bot.log")


def test_a_mirror_that_somebody_changed_is_not_restored_from(shop: Source) -> None:
    shop.target.query(f"UPDATE {shop.name}_bot.payments SET stars = 1000 WHERE id = 1")
    before = fingerprint(shop)
    result = restore(shop, "--yes", "--only", "bot.payments")
    assert (result.returncode, fingerprint(shop)) == (12, before), result.stderr
    restored(shop, "--yes", "--only", "bot.users")


def test_the_next_backup_takes_it_as_any_change(shop: Source) -> None:
    shop.write("DELETE FROM log; UPDATE payments SET stars = 0")
    shop.point()
    restored(shop, "--yes", "--run", "1", "--only", "bot.payments")
    assert shop.point().run == 3
    shop.verify()
    assert not shop.run("full").committed


def test_into_a_folder_comes_a_file_of_just_that_table(shop: Source, tmp_path: Path) -> None:
    shop.write("ALTER TABLE payments ADD COLUMN note TEXT")
    before = fingerprint(shop)
    restored(shop, "--yes", "--only", "bot.payments", "--into", str(tmp_path / "into"))
    found = oracle.describe(tmp_path / "into" / "sqlite" / "bot.db")
    assert set(found["tables"]) == {b"payments", b"sqlite_sequence"}
    assert [row[1] for row in found["schema"] if row[0] in (b"index", b"trigger")] == [b"by_user", b"gone", b"paid"]
    assert len(found["tables"][b"payments"]) == 4
    assert fingerprint(shop) == before
