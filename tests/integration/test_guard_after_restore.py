"""A restore to a smaller state is a person's decision: the next run mirrors it, and holds whatever else went away."""

from __future__ import annotations

import pytest
from commanding import backup
from fix_source import Source
from restoring import restored

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"


@pytest.fixture
def grown(source: Source) -> Source:
    """Run 1 has 150 rows; run 2 has 1,000 and one more table of 200."""
    source.environ["GUARD_SHRINK"] = "50%"
    source.write(f"CREATE TABLE t (a); INSERT INTO t {NUMBERS.format(150)}")
    source.point()
    source.write(
        f"INSERT INTO t {NUMBERS.format(850)}; CREATE TABLE later (a); INSERT INTO later {NUMBERS.format(200)}"
    )
    source.point()
    return source


def test_the_run_after_a_restore_to_a_smaller_state_goes_through(grown: Source) -> None:
    restored(grown, "--run", "1", "--yes")
    grown.write("INSERT INTO t VALUES ('the bot goes on')")
    result = backup(grown, "once")
    assert result.returncode == 0, result.stdout
    assert "bot.db was restored to run 1, so it may have less than its mirror" in result.stdout
    grown.points[3] = {"bot.db": grown.keep("bot.db", 3)}
    grown.verify()
    restored(grown, "--run", "2", "--yes")
    grown.point()
    grown.verify()


@pytest.mark.parametrize("loss", ["DELETE FROM t WHERE rowid > 50", "DROP TABLE t"])
def test_what_went_away_after_the_restore_is_held(grown: Source, loss: str) -> None:
    restored(grown, "--run", "1", "--yes")
    grown.write(loss)
    assert backup(grown, "once").returncode == 6
    assert grown.read_state().last_run == 2


def test_the_restore_lets_one_run_through_and_no_later_one(grown: Source) -> None:
    restored(grown, "--run", "1", "--yes")
    assert grown.try_run().run == 3
    grown.write(f"INSERT INTO t {NUMBERS.format(850)}")
    assert grown.try_run().run == 4
    grown.write("DELETE FROM t WHERE rowid > 150")
    assert backup(grown, "once").returncode == 6


def test_a_restore_of_one_table_lets_that_one_through(grown: Source) -> None:
    restored(grown, "--run", "1", "--only", "bot.db.t", "--yes")
    grown.write("INSERT INTO later VALUES ('the bot goes on')")
    result = backup(grown, "once")
    assert result.returncode == 0, result.stdout
    assert "bot.db was restored to run 1, so it may have less than its mirror" in result.stdout


@pytest.mark.parametrize("loss", ["DELETE FROM later WHERE rowid > 50", "DROP TABLE later"])
def test_a_restore_of_one_table_lets_no_other_through(grown: Source, loss: str) -> None:
    restored(grown, "--run", "1", "--only", "bot.db.t", "--yes")
    grown.write(loss)
    held = backup(grown, "once")
    assert held.returncode == 6
    assert "table later" in held.stdout
    assert "table t " not in held.stdout
    assert grown.read_state().last_run == 2


@pytest.mark.parametrize("note", ["", "[]", "{}", '{"bot.db": 5}', '{"bot.db": {"run": 1, "token": "another"}}'])
def test_without_a_note_that_fits_the_run_is_held_and_told(grown: Source, note: str) -> None:
    restored(grown, "--run", "1", "--yes")
    (grown.notes / "restored.json").write_text(note)
    held = backup(grown, "once")
    assert held.returncode == 6
    assert "./sidemirror accept" in held.stdout
