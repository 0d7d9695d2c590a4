"""The tables are exactly those of the issue, in WAL mode, with foreign keys enforced."""

from __future__ import annotations

import sqlite3
import stat
from contextlib import closing

import pytest
from bot.errors import DatabaseError
from bot.premium import Premium
from bot.requests import Requests

# column, declared type, NOT NULL, default, place in the primary key
ID = ("id", "INTEGER", 0, None, 1)


def _integer(name, needed=1, key=0):
    return (name, "INTEGER", needed, None, key)


def _text(name, needed=0, default=None, key=0):
    return (name, "TEXT", needed, default, key)


PREMIUM = {
    "premium_subscriptions": [
        ID, _integer("owner_id"), _integer("group_id"), _text("payment_id", 1),
        _text("telegram_payment_charge_id", 1), _integer("stars_amount"),
        _text("mrkt_link"), _text("palace_link"), _text("tonnel_link"), _text("portal_link"),
        _integer("created_at"), _integer("expires_at", 0), ("is_active", "BOOLEAN", 0, "1", 0),
    ],
    "payment_history": [
        ID, _integer("owner_id"), _text("payment_id", 1), _integer("stars_amount"), _text("status", 1),
        _integer("created_at"),
    ],
    "refunds": [
        ID, _integer("subscription_id"), _integer("owner_id"), _integer("group_id"), _text("payment_id", 1),
        _integer("stars_amount"), _text("refund_reason"), _integer("refunded_at"),
        _text("status", 0, "'pending'"), _text("processed_by"),
    ],
    "refunded_groups": [
        ID, _integer("group_id"), _integer("owner_id"), _integer("refunded_at"), _text("reason"),
    ],
    "pending_payments": [
        ID, _integer("owner_id"), _text("payment_id", 1), _integer("stars_amount"), _integer("created_at"),
        _integer("expires_at"),
    ],
}  # fmt: skip

REQUESTS = {
    "user_requests": [
        _integer("user_id", 0, 1), _integer("chat_id", 0, 2), _text("gift_name", 0, None, 3),
        _integer("minute"),
    ],
    "command_requests": [
        _integer("user_id", 0, 1), _integer("chat_id", 0, 2), _text("command_name", 0, None, 3),
        _integer("minute"), _integer("timestamp"),
    ],
    "message_owners": [
        _integer("message_id", 1, 1), _integer("chat_id", 1, 2), _integer("user_id"), _integer("timestamp"),
    ],
    "linked_messages": [
        _integer("original_message_id", 0, 1), _integer("chat_id", 0, 2), _integer("linked_message_id", 0, 3),
        _integer("user_id", 0), _integer("timestamp", 0),
    ],
}  # fmt: skip


@pytest.mark.parametrize(("kind", "tables"), [(Premium, PREMIUM), (Requests, REQUESTS)])
def test_every_table_has_the_columns_of_the_issue_and_there_is_no_other(tmp_path, kind, tables):
    with closing(kind(tmp_path).file) as file:
        names = file.connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        assert {name for (name,) in names} == set(tables)
        for table, columns in tables.items():
            found = file.connection.execute(f"PRAGMA table_info({table})").fetchall()
            assert [column[1:] for column in found] == columns, table


def test_ids_are_never_given_twice(tmp_path):
    with closing(Premium(tmp_path).file) as file:
        schema = file.connection.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'table'").fetchall()
        counted = {name for name, sql in schema if "AUTOINCREMENT" in sql}
        assert counted == set(PREMIUM)


def test_the_uniqueness_of_the_issue_is_enforced(tmp_path):
    with closing(Premium(tmp_path).file) as file:
        db = file.connection
        subscription = (
            "INSERT INTO premium_subscriptions (owner_id, group_id, payment_id, telegram_payment_charge_id,"
            " stars_amount, created_at) VALUES (1, 2, 'p', 'c', 3, 4)"
        )
        group = "INSERT INTO refunded_groups (group_id, owner_id, refunded_at) VALUES (1, 2, 3)"
        for insert in (subscription, group):
            db.execute(insert)
            with pytest.raises(sqlite3.IntegrityError, match="UNIQUE"):
                db.execute(insert)


def test_a_refund_of_no_subscription_is_refused_by_its_foreign_key(tmp_path):
    with (
        closing(Premium(tmp_path).file) as file,
        pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"),
    ):
        file.connection.execute(
            "INSERT INTO refunds (subscription_id, owner_id, group_id, payment_id, stars_amount, refunded_at)"
            " VALUES (99, 1, 2, 'p', 3, 4)"
        )


def test_the_databases_use_wal_wait_when_busy_and_enforce_foreign_keys(tmp_path):
    for kind, synchronous in ((Premium, 2), (Requests, 1)):
        with closing(kind(tmp_path).file) as file:
            found = [
                file.connection.execute(f"PRAGMA {name}").fetchone()[0]
                for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous", "user_version")
            ]
            assert found == ["wal", 5000, 1, synchronous, 1]


def test_opening_a_database_again_changes_nothing_in_it(tmp_path):
    for kind in (Premium, Requests):
        kind(tmp_path).file.close()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    for kind in (Premium, Requests):
        kind(tmp_path).file.close()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_database_of_a_newer_bot_is_refused_untouched(tmp_path):
    path = tmp_path / "premium_system.db"
    with closing(sqlite3.connect(path)) as db:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA user_version = 2")
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="schema version 2") as caught:
        Premium(tmp_path)
    assert "newer bot" in caught.value.hint
    assert path.read_bytes() == before


def test_a_file_that_is_no_database_is_refused_untouched(tmp_path):
    path = tmp_path / "user_requests.db"
    path.write_bytes(b"this is not a database, it is a letter to the editor" * 100)
    before = path.read_bytes()
    with pytest.raises(DatabaseError, match="not a database") as caught:
        Requests(tmp_path)
    assert "restore the latest backup" in caught.value.hint
    assert path.read_bytes() == before


def test_a_write_that_fails_half_way_leaves_nothing(tmp_path):
    with closing(Requests(tmp_path).file) as file:

        def write_then_fail() -> None:
            with file.writing() as db:
                db.execute("INSERT INTO message_owners VALUES (1, 2, 3, 4)")
                raise InterruptedError

        with pytest.raises(InterruptedError):
            write_then_fail()
        assert file.connection.execute("SELECT count(*) FROM message_owners").fetchone() == (0,)
        with file.writing() as db:
            db.execute("INSERT INTO message_owners VALUES (1, 2, 3, 4)")
        assert file.connection.execute("SELECT * FROM message_owners").fetchall() == [(1, 2, 3, 4)]


def test_a_file_that_was_replaced_under_the_bot_is_noticed(tmp_path):
    with closing(Requests(tmp_path).file) as file:
        file.check()
        (tmp_path / "user_requests.db").rename(tmp_path / "elsewhere.db")
        with pytest.raises(DatabaseError, match="removed or replaced"):
            file.check()


@pytest.mark.alone
def test_a_group_reader_gets_the_mode_of_the_umask_on_every_file(bot):
    process = bot.started()
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in bot.sqlite_dir.iterdir()}
    assert set(modes) >= {"premium_system.db", "premium_system.db-wal", "premium_system.db-shm"}
    assert set(modes.values()) == {0o640}
    assert stat.S_IMODE((bot.json_dir / "data.json").stat().st_mode) == 0o640
    assert bot.stop(process)[0] == 0
