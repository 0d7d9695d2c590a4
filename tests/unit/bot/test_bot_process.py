"""The bot as it really runs: a process that is started, stopped, killed and disturbed."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import time
from contextlib import closing
from functools import partial

import pytest
from fix_telegram import DEADLINE

pytestmark = pytest.mark.alone

GRACE = 25
"""Seconds: `docker stop` kills after 30. It takes one; on a machine with much other work, ten."""

DATABASES = {
    "premium_system.db": (
        "premium_subscriptions", "payment_history", "refunds", "refunded_groups", "pending_payments",
    ),
    "user_requests.db": ("user_requests", "command_requests", "message_owners", "linked_messages"),
}  # fmt: skip


def _counts(bot):
    return {
        table: bot.query(database, f"SELECT count(*) FROM {table}")[0][0]
        for database, tables in DATABASES.items()
        for table in tables
    }


def _document(bot):
    return json.loads((bot.json_dir / "data.json").read_bytes())


def test_people_reach_every_table_and_the_document_and_counts_agree(bot, busy, wait_until):
    busy(300)
    process = bot.started()
    wait_until(lambda: all(_counts(bot).values()))
    code, out, err = bot.stop(process)
    assert (code, err) == (0, "")
    document, counts = _document(bot), _counts(bot)
    counted = document["counters"]
    assert document["version"] == counted["starts"] == 1
    assert counts["refunds"] == counts["refunded_groups"] == counted["refunds"]
    assert bot.query("premium_system.db", "SELECT DISTINCT status, processed_by FROM refunds") == [
        ("completed", "telegram")
    ]
    assert counts["payment_history"] == counted["payments"] + counted["refunds"]
    assert "stopped: " in out
    assert document["users"]
    for database in DATABASES:
        assert bot.query(database, "PRAGMA integrity_check") == [("ok",)]
        assert bot.query(database, "PRAGMA foreign_key_check") == []


def test_rows_are_deleted_as_well(bot, busy, wait_until):
    busy(100)
    process = bot.started()
    wait_until(lambda: _document(bot)["counters"].get("messages_deleted", 0) > 3)
    bot.stop(process)
    counted = _document(bot)["counters"]
    assert _counts(bot)["message_owners"] < counted["messages_sent"]


def test_sigterm_closes_the_files_and_ends_with_0(bot, busy):
    busy(100)
    process = bot.started()
    began = time.monotonic()
    code, out, err = bot.stop(process)
    assert (code, err) == (0, "")
    assert time.monotonic() - began < GRACE
    assert sorted(path.name for path in bot.sqlite_dir.iterdir()) == sorted(DATABASES)
    assert {path.name for path in bot.json_dir.iterdir()} == {"data.json", "backups"}
    assert list(bot.tmp.iterdir()) == []
    assert [line.split()[2] for line in out.splitlines()] == ["started:", "connected:", "stopped:"]


def test_sigterm_in_the_middle_of_the_start_ends_with_0_too(bot):
    for delay in (0.0, 0.03, 0.06, 0.3, 0.6, 0.7, 0.8, 0.9, 1.0):
        process = bot.start(importing=True)
        time.sleep(delay)
        process.terminate()
        _, err = process.communicate(timeout=DEADLINE)
        # Before Python runs the first line of the bot, the signal's default ends the process.
        assert process.returncode in (0, -signal.SIGTERM), err
        assert err == ""


def _more_payments(bot, number):
    return bot.query("premium_system.db", "SELECT count(*) FROM payment_history")[0][0] > number


def test_after_a_kill_everything_committed_is_there_and_the_bot_goes_on(bot, busy, wait_until):
    busy(300)
    paid = 0
    before = dict.fromkeys(("payment_history", "refunded_groups"), 0)
    for start in range(1, 4):
        process = bot.started()
        wait_until(partial(_more_payments, bot, paid + 5))
        seen = {table: bot.query("premium_system.db", f"SELECT * FROM {table}") for table in before}
        process.kill()
        process.communicate()
        for table, rows in seen.items():
            after = bot.query("premium_system.db", f"SELECT * FROM {table}")
            assert after[: len(rows)] == rows
            assert len(rows) >= before[table]
            before[table] = len(after)
        paid = before["payment_history"]
        assert _document(bot)["counters"]["starts"] == start
        for database in DATABASES:
            assert bot.query(database, "PRAGMA integrity_check") == [("ok",)]
    process = bot.started()
    wait_until(
        lambda: bot.query("premium_system.db", "SELECT count(*) FROM payment_history")[0][0] > before["payment_history"]
    )
    assert bot.stop(process)[0] == 0
    once = bot.query("premium_system.db", "SELECT payment_id, status FROM payment_history")
    assert len(once) == len(set(once))


def test_when_nobody_writes_the_bot_is_idle_but_alive_and_well(bot, wait_until):
    process = bot.started()
    first = (bot.tmp / "bot.heartbeat").read_text()
    wait_until(lambda: (bot.tmp / "bot.heartbeat").read_text() != first)
    assert bot.health() == (0, "ok")
    assert not any(_counts(bot).values())
    assert bot.stop(process)[0] == 0


def test_the_bot_is_unwell_before_it_starts_and_after_it_stopped(bot):
    assert bot.health() == (1, "the bot is not running, or has not reached Telegram yet")
    assert bot.stop(bot.started())[0] == 0
    assert bot.health()[0] == 1


def test_a_loop_that_stands_still_is_unwell(bot):
    process = bot.started()
    process.send_signal(signal.SIGSTOP)
    long_ago = time.monotonic() - 16
    (bot.tmp / "bot.heartbeat").write_text(f"{long_ago}\n")  # rather than waiting for 16 s
    code, said = bot.health()
    assert code == 1
    age = re.fullmatch(r"the bot's loop last made progress (\d+) s ago \(limit 15 s\)", said)
    assert age is not None, said
    assert int(age[1]) >= 16
    process.send_signal(signal.SIGCONT)


def test_health_is_unwell_when_a_database_does_not_answer(bot):
    bot.started()
    (bot.sqlite_dir / "user_requests.db").rename(bot.root / "away.db")
    code, said = bot.health()
    assert code == 1
    assert "user_requests.db does not answer" in said


def test_a_database_that_is_taken_away_ends_the_bot_instead_of_writing_into_nothing(bot):
    process = bot.started()
    (bot.sqlite_dir / "premium_system.db").rename(bot.root / "away.db")
    _, err = process.communicate(timeout=DEADLINE)
    assert process.returncode == 1
    assert "premium_system.db was removed or replaced" in err
    assert "Traceback" not in err


def test_a_locked_database_is_waited_for_and_the_bot_goes_on(bot, busy, wait_until):
    busy(20)
    process = bot.started()
    with closing(sqlite3.connect(bot.sqlite_dir / "user_requests.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        wait_until(lambda: "writing to a database failed: database is locked" in bot.log(process))
        before = (bot.tmp / "bot.heartbeat").read_text()
        other.execute("ROLLBACK")
    wait_until(lambda: (bot.tmp / "bot.heartbeat").read_text() != before)
    code, out, err = bot.stop(process)
    assert (code, err) == (0, "")
    assert out.count("writing to a database failed: database is locked") == 1
    assert out.count("writing to a database works again, after") == 1


def test_a_damaged_document_is_kept_aside_and_the_bot_starts(bot):
    (bot.json_dir / "data.json").write_bytes(b'{"half": ')
    process = bot.started()
    assert bot.stop(process)[0] == 0
    assert b'{"half": ' in [path.read_bytes() for path in bot.json_dir.rglob("*") if path.is_file()]
    assert _document(bot)["counters"] == {"starts": 1}


def test_a_damaged_database_stops_the_start_and_is_kept(bot):
    path = bot.sqlite_dir / "premium_system.db"
    path.write_bytes(b"no database" * 1000)
    code, _, err = bot.run()
    assert code == 1
    assert "premium_system.db cannot be opened: file is not a database" in err
    assert "restore the latest backup" in err
    assert path.read_bytes() == b"no database" * 1000
