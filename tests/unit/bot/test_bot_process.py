"""The bot as it really runs: a process that is started, stopped, killed and disturbed."""

from __future__ import annotations

import json
import re
import signal
import sqlite3
import time
from contextlib import closing

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


def test_traffic_reaches_every_table_and_the_document_and_counts_agree(bot, wait_until):
    process = bot.started(BOT_TRAFFIC="500", BOT_SEED="every table")
    wait_until(lambda: all(_counts(bot).values()))
    code, out, err = bot.stop(process)
    assert (code, err) == (0, "")
    document, counts = _document(bot), _counts(bot)
    counted = document["counters"]
    assert document["version"] == counted["starts"] == 1
    assert counts["refunds"] == counts["refunded_groups"] == counted["refunds"]
    assert counts["payment_history"] == counted["payments"] + counted["refunds"]
    assert f"stopped: {counted['actions']} actions" in out
    assert document["users"]
    for database in DATABASES:
        assert bot.query(database, "PRAGMA integrity_check") == [("ok",)]
        assert bot.query(database, "PRAGMA foreign_key_check") == []


def test_rows_are_deleted_as_well(bot, wait_until):
    process = bot.started(BOT_TRAFFIC="500", BOT_SEED="deletes")
    wait_until(lambda: _document(bot)["counters"].get("messages_deleted", 0) > 3)
    bot.stop(process)
    newest, kept = bot.query("user_requests.db", "SELECT max(message_id), count(*) FROM message_owners")[0]
    assert kept < newest


def test_sigterm_closes_the_files_and_ends_with_0(bot):
    process = bot.started(BOT_TRAFFIC="200")
    began = time.monotonic()
    code, out, err = bot.stop(process)
    assert (code, err) == (0, "")
    assert time.monotonic() - began < 5
    assert sorted(path.name for path in bot.sqlite_dir.iterdir()) == sorted(DATABASES)
    assert [path.name for path in bot.json_dir.iterdir()] == ["data.json"]
    assert list(bot.tmp.iterdir()) == []
    assert [line.split()[2] for line in out.splitlines()] == ["started:", "stopped:"]


def test_sigterm_in_the_middle_of_the_start_ends_with_0_too(bot):
    for delay in (0.0, 0.03, 0.06, 0.09, 0.12, 0.15, 0.2):
        process = bot.start(BOT_TRAFFIC="100")
        time.sleep(delay)
        process.terminate()
        _, err = process.communicate(timeout=20)
        # Before Python runs the first line of the bot, the signal's default ends the process.
        assert process.returncode in (0, -signal.SIGTERM), err
        assert err == ""


def test_after_a_kill_everything_committed_is_there_and_the_bot_goes_on(bot, wait_until):
    before = dict.fromkeys(("payment_history", "refunded_groups"), 0)
    for start in range(1, 4):
        process = bot.started(BOT_TRAFFIC="500", BOT_SEED="same")
        wait_until(lambda: bot.query("premium_system.db", "SELECT count(*) FROM payment_history")[0][0] > 20)
        seen = {table: bot.query("premium_system.db", f"SELECT * FROM {table}") for table in before}
        process.kill()
        process.communicate()
        for table, rows in seen.items():
            after = bot.query("premium_system.db", f"SELECT * FROM {table}")
            assert after[: len(rows)] == rows
            assert len(rows) >= before[table]
            before[table] = len(after)
        assert _document(bot)["counters"]["starts"] == start
        for database in DATABASES:
            assert bot.query(database, "PRAGMA integrity_check") == [("ok",)]
    process = bot.started(BOT_TRAFFIC="500", BOT_SEED="same")
    wait_until(
        lambda: (
            bot.query("premium_system.db", "SELECT count(*) FROM payment_history")[0][0]
            > before["payment_history"]
        )
    )
    assert bot.stop(process)[0] == 0
    once = bot.query("premium_system.db", "SELECT payment_id, status FROM payment_history")
    assert len(once) == len(set(once))


def test_five_hundred_actions_a_second_are_held(bot):
    process = bot.started(BOT_TRAFFIC="500")
    time.sleep(4)  # the span that is measured
    code, out, _ = bot.stop(process)
    assert code == 0
    actions = int(re.search(r"stopped: (\d+) actions", out)[1])
    assert actions >= 4 * 500 * 0.9


def test_without_traffic_the_bot_is_idle_but_alive_and_well(bot, wait_until):
    process = bot.started(BOT_TRAFFIC="0")
    first = (bot.tmp / "bot.heartbeat").read_text()
    wait_until(lambda: (bot.tmp / "bot.heartbeat").read_text() != first)
    assert bot.health() == (0, "ok")
    assert not any(_counts(bot).values())
    assert bot.stop(process)[0] == 0


def test_the_bot_is_unwell_before_it_starts_and_after_it_stopped(bot):
    assert bot.health() == (1, "the bot is not running, or has not finished its first action")
    assert bot.stop(bot.started())[0] == 0
    assert bot.health()[0] == 1


def test_a_loop_that_stands_still_is_unwell(bot):
    process = bot.started(BOT_TRAFFIC="10")
    process.send_signal(signal.SIGSTOP)
    long_ago = time.monotonic() - 16
    (bot.tmp / "bot.heartbeat").write_text(f"{long_ago}\n")  # rather than waiting for 16 s
    code, said = bot.health()
    assert code == 1
    assert re.fullmatch(r"the bot's loop last made progress 1[67] s ago \(limit 15 s\)", said)
    process.send_signal(signal.SIGCONT)


def test_health_is_unwell_when_a_database_does_not_answer(bot):
    bot.started(BOT_TRAFFIC="0")
    (bot.sqlite_dir / "user_requests.db").rename(bot.root / "away.db")
    code, said = bot.health()
    assert code == 1
    assert "user_requests.db does not answer" in said


def test_a_database_that_is_taken_away_ends_the_bot_instead_of_writing_into_nothing(bot):
    process = bot.started(BOT_TRAFFIC="50")
    (bot.sqlite_dir / "premium_system.db").rename(bot.root / "away.db")
    _, err = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "premium_system.db was removed or replaced" in err
    assert "Traceback" not in err


def test_a_locked_database_is_waited_for_and_the_bot_goes_on(bot, wait_until):
    process = bot.started(BOT_TRAFFIC="100")
    with closing(sqlite3.connect(bot.sqlite_dir / "user_requests.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        wait_until(lambda: "an action failed: database is locked" in bot.log(process))
        before = (bot.tmp / "bot.heartbeat").read_text()
        other.execute("ROLLBACK")
    wait_until(lambda: (bot.tmp / "bot.heartbeat").read_text() != before)
    code, out, err = bot.stop(process)
    assert (code, err) == (0, "")
    assert out.count("an action failed: database is locked") == 1
    assert out.count("an action works again, after") == 1


def test_a_damaged_document_stops_the_start_and_is_kept(bot):
    (bot.json_dir / "data.json").write_bytes(b'{"half": ')
    code, _, err = bot.run()
    assert code == 1
    assert "data.json is not JSON" in err
    assert "Traceback" not in err
    assert (bot.json_dir / "data.json").read_bytes() == b'{"half": '


def test_a_damaged_database_stops_the_start_and_is_kept(bot):
    path = bot.sqlite_dir / "premium_system.db"
    path.write_bytes(b"no database" * 1000)
    code, _, err = bot.run()
    assert code == 1
    assert "premium_system.db cannot be opened: file is not a database" in err
    assert "restore the latest backup" in err
    assert path.read_bytes() == b"no database" * 1000


def test_the_same_seed_on_the_same_data_makes_the_same_rows(tmp_path):
    from bot.document import complete
    from bot.premium import Premium
    from bot.requests import Requests
    from bot.traffic import Traffic

    made = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        premium, requests, document = Premium(tmp_path / name), Requests(tmp_path / name), complete({})
        with closing(premium.file), closing(requests.file):
            traffic = Traffic("seed", premium, requests, document)
            for step in range(1000):
                traffic.act(1_800_000_000 + step)
            rows = [
                file.connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()
                for file, tables in zip((premium.file, requests.file), DATABASES.values(), strict=True)
                for table in tables
            ]
        made.append((rows, document))
    assert made[0] == made[1]
    assert all(made[0][0])
