"""Files that come and go, copies that a bot keeps, names that are left out: no alarm, and never in silence."""

from __future__ import annotations

import shutil

import pytest
from commanding import backup, status
from fix_source import Source

from mirror.errors import GuardHeld

GOOD = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y');"
OWN_COPIES = (
    "backups/bot_1.db", "bot.db.bak", "bot.db.bak2", "bot.bak.db", "bot_backup_20261130.db", "bot.db.corrupt.1764500000",
    "bot.db-corrupt-1", "bot.db.1", "bot.db.tmp", "bot.tmp.db", "bot.db.staging",
)  # fmt: skip


@pytest.fixture
def bot(source: Source) -> Source:
    source.write(GOOD, "bot.db")
    (source.json / "data.json").write_text('{"a": 1}')
    return source


def mirrored(source: Source) -> set[str]:
    state = source.read_state()
    return {file.file for file in (*state.databases, *state.documents)}


def test_copies_that_a_bot_keeps_are_left_out_and_named(bot: Source) -> None:
    (bot.sqlite / "backups").mkdir()
    for file in OWN_COPIES:
        shutil.copy(bot.sqlite / "bot.db", bot.sqlite / file)
    for own in ("guild_backup_settings.db", "voice-temp-channels.db", "backup/jobs.db"):  # no copies: a bot's own
        (bot.sqlite / own).parent.mkdir(exist_ok=True)
        shutil.copy(bot.sqlite / "bot.db", bot.sqlite / own)
    (bot.sqlite / "bot.db.old").symlink_to("bot.db")
    assert backup(bot, "once").returncode == 0
    owned = {"bot.db", "guild_backup_settings.db", "voice-temp-channels.db", "backup/jobs.db", "data.json"}
    assert mirrored(bot) == owned
    found = status(bot)
    assert (found["safe"], set(found["left_out"])) == (True, {*OWN_COPIES, "bot.db.old"})
    assert "Left out by EXCLUDE: bot.bak.db, " in backup(bot, "status").stdout
    for file in OWN_COPIES:
        (bot.sqlite / file).unlink()
    bot.run()

    bot.environ["EXCLUDE"] = "off"
    (bot.sqlite / "bot.db.old").unlink()
    shutil.copy(bot.sqlite / "bot.db", bot.sqlite / "bot.db.bak")
    bot.run()
    assert "bot.db.bak" in mirrored(bot)


def test_what_was_mirrored_and_is_left_out_now_is_held_once(bot: Source) -> None:
    bot.run()
    bot.environ["EXCLUDE"] = "*"
    report = bot.try_run()
    assert {(refusal.file, type(refusal.error)) for refusal in report.refusals} == {
        ("bot.db", GuardHeld), ("data.json", GuardHeld),
    }  # fmt: skip
    assert "is left out by EXCLUDE" in report.refusals[0].error.what
    assert mirrored(bot) == {"bot.db", "data.json"}, "a slip in a pattern empties no mirror"
    bot.environ["EXCLUDE"] = "*.json"
    assert backup(bot, "once").returncode == GuardHeld.exit_code
    assert backup(bot, "accept").returncode == 0
    assert mirrored(bot) == {"bot.db"}
    bot.run()


def test_files_that_come_and_go_by_a_pattern_are_mirrored_while_they_are_there(bot: Source) -> None:
    bot.environ["TRANSIENT"] = "guild_*.db, session_*.json"
    bot.write(GOOD, "guild_1.db")
    (bot.json / "session_1.json").write_text("{}")
    bot.run()
    assert mirrored(bot) == {"bot.db", "guild_1.db", "data.json", "session_1.json"}
    (bot.sqlite / "guild_1.db").unlink()
    (bot.json / "session_1.json").unlink()
    bot.run()
    assert mirrored(bot) == {"bot.db", "data.json"}
    (bot.json / "data.json").unlink()
    [refusal] = bot.try_run().refusals
    assert (refusal.file, type(refusal.error)) == ("data.json", GuardHeld), "no other file goes with them"
    bot.write(GOOD, "guild_1.db")
    bot.try_run()
    assert mirrored(bot) == {"bot.db", "guild_1.db", "data.json"}, "it comes back under the same name"


def test_with_follow_a_file_that_is_gone_leaves_the_mirror_but_never_all_of_them(bot: Source) -> None:
    bot.environ["GUARD_GONE"] = "follow"
    bot.run()
    (bot.json / "data.json").unlink()
    bot.run()
    assert mirrored(bot) == {"bot.db"}
    (bot.sqlite / "bot.db").unlink()
    [refusal] = bot.try_run().refusals
    assert (refusal.file, type(refusal.error)) == ("bot.db", GuardHeld)
    assert mirrored(bot) == {"bot.db"}


def test_a_file_that_was_accepted_for_always_is_asked_for_only_once(bot: Source) -> None:
    bot.run()
    content = (bot.json / "data.json").read_bytes()
    (bot.json / "data.json").unlink()
    held = backup(bot, "once")
    assert (held.returncode, "./sidemirror accept --always NAME" in held.stdout) == (GuardHeld.exit_code, True)
    wrong = backup(bot, "accept", "--always", "date.json")
    assert (wrong.returncode, "there is no date.json" in wrong.stderr, "bot.db, data.json" in wrong.stderr) == (
        2,
        True,
        True,
    )
    done = backup(bot, "accept", "--always", "data.json")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "from now on data.json leaves the mirror whenever it is gone" in done.stdout
    assert mirrored(bot) == {"bot.db"}
    for left in ({"bot.db", "data.json"}, {"bot.db"}):
        (bot.json / "data.json").write_bytes(content) if "data.json" in left else (bot.json / "data.json").unlink()
        bot.run()
        assert mirrored(bot) == left
