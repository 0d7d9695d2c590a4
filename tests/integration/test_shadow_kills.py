"""Killed at any system call of a run, also while it writes its copy: the next run finds all that changed, and no more."""

from __future__ import annotations

import os

from fix_source import Source
from restoring import fill
from test_on_change import Bot

from backup.run import run
from tests.unit.bot_modules import fix_ptrace

KILLS = int(os.environ.get("KILLS", "30"))


def killed_at(source: Source, stop: int) -> fix_ptrace.Watched:
    """A run in a process of its own."""

    def once(_: int) -> None:
        fix_ptrace.begin()
        run(source.settings, "change")

    return fix_ptrace.watch(once, kill_at=stop)


def test_a_full_run_takes_away_what_no_run_will_use_again(source: Source) -> None:
    fill(source, "WAL")
    fill(source, "WAL", "gone.db")
    source.run()
    with Bot(source) as bot:
        for number in range(3):
            bot.write(f"UPDATE t SET a = 'change {number}' WHERE id = 1")
            source.run()
    useful = {path for path in (source.state / "shadow").rglob("*") if path.is_file()}
    folder = next(path.parent for path in useful if path.parent.name.startswith("bot-"))
    for name in ("left.sqlite", "left.sqlite-wal", "left.sqlite-journal", "other.unfinished", "old.spare"):
        (folder / name).write_bytes(bytes(1000))
    (source.state / ".status.json.abcdefgh").write_text("half")
    os.utime(source.state / ".status.json.abcdefgh", (0, 0))
    source.run("full")
    assert {path for path in (source.state / "shadow").rglob("*") if path.is_file()} >= {
        path for path in useful if path.suffix == ".sqlite"
    }
    assert not [path for path in folder.iterdir() if path.name.startswith(("left", "other", "old"))]
    assert not (source.state / ".status.json.abcdefgh").exists()
    for path in source.sqlite.glob("gone.db*"):
        path.unlink()
    (source.state / "accepted.json").write_text('{"files": ["gone.db"]}')
    source.run("full")
    source.run("full")
    assert [path.name for path in (source.state / "shadow").iterdir()] == [folder.name]
    assert not source.run("full").committed


def test_a_run_that_is_killed_at_any_system_call_misleads_no_later_one(source: Source) -> None:
    fill(source, "WAL")
    source.write("CREATE TABLE large (id INTEGER PRIMARY KEY, v BLOB); INSERT INTO large VALUES (1, zeroblob(200000))")
    source.run()
    with Bot(source) as bot:

        def change(number: int) -> None:
            """Pages of rows, of overflow, new ones and, now and then, freed ones."""
            bot.write(f"UPDATE t SET a = 'change {number}' WHERE id % 90 = {number % 90}")
            bot.write(f"UPDATE large SET v = CAST(zeroblob(199000 + {number}) || randomblob(900) AS BLOB) WHERE id = 1")
            bot.write(f"INSERT INTO large VALUES ({1000 + number}, randomblob(9000))")
            bot.write(f"DELETE FROM large WHERE id = {1000 + number - 3}")

        for number in range(3):  # then there is a shadow and a spare copy, as in every run that follows
            change(number)
            source.run()
        change(3)
        whole = killed_at(source, 0)
        assert (whole.exit_code, whole.said) == (0, b"")
        assert "fsync" in whole.calls
        committed = 0
        for number, stop in enumerate(range(1, whole.stops, max(1, whole.stops // KILLS)), start=4):
            change(number)
            before = source.read_state().last_run
            killed = killed_at(source, stop)
            assert killed.exit_code in (-9, 0), killed.said
            committed += source.read_state().last_run > before
            change(number + 1000)
            assert source.run().committed
            assert not source.run("full").committed, f"a full run finds more, after a kill at stop {stop}"
    source.point("full")
    source.verify()
    assert 0 < committed < KILLS, "some are killed before, and some after the commit"
