"""Somebody changes the mirror, as in Supabase's Table Editor: it is found, told, not mirrored over, and repaired."""

from __future__ import annotations

import shutil
from typing import Any

import pytest
from commanding import backup, status
from fix_source import Source
from restoring import fill, poll

from backup import edits
from backup.drill import drill
from backup.repair import repair
from mirror.errors import TargetEdited

TABLES = """
CREATE TABLE r (a TEXT, b);
INSERT INTO r VALUES ('one', 1), ('two', 2.5), (NULL, x'00'), ('nul' || char(0) || 'byte', 'text');
CREATE TABLE n (id INTEGER PRIMARY KEY, f REAL NOT NULL, g TEXT UNIQUE);
INSERT INTO n VALUES (1, -0.0, 'x'), (2, 9e999, 'y'), (3, 0.5, 'z');
"""

# Each edit, and what is told of it.
EDITS = {
    "a row changed": ("UPDATE {s}.t SET a = 'by hand' WHERE id = 7", "table t: 1 rows changed (keys [7])"),
    "a row added": ("INSERT INTO {s}.t (id, a) VALUES (-1, 'by hand')", "table t: 1 rows added (keys [-1])"),
    "a row deleted": ("DELETE FROM {s}.t WHERE id = 7", "table t: 1 rows missing (keys [7])"),
    "one deleted and one added": (
        "DELETE FROM {s}.t WHERE id = 7; INSERT INTO {s}.t (id) VALUES (-1)",
        "table t: 1 rows missing, 1 rows added (keys [-1], [7])",
    ),
    "a key changed": ("UPDATE {s}.t SET id = -7 WHERE id = 7", "table t: 1 rows missing, 1 rows added"),
    "a class": ('UPDATE {s}.t SET a = NULL, _exact = \'{{"a": {{"blob": "AA=="}}}}\' WHERE id = 7', "1 rows changed"),
    "a last digit": ("UPDATE {s}.n SET f = 0.50000000000000011 WHERE id = 3", "table n: 1 rows changed (keys [3])"),
    "no rowid": ("UPDATE {s}.k SET v = 'x' WHERE x = 'a'", 'table k: 1 rows changed (keys ["a", 1])'),
    "a rowid table": ("UPDATE {s}.r SET a = 'by hand' WHERE _rowid_ = 2", "table r: 1 rows changed (keys [2])"),
    "truncated": ("TRUNCATE {s}.t", "table t: 300 rows missing (keys [1], [2], [3])"),
    "all rows of one": ("UPDATE {s}.t SET a = upper(a)", "table t: 300 rows changed (keys [1], [2], [3])"),
    "two tables": ("DELETE FROM {s}.r; DELETE FROM {s}.n WHERE id = 2", "table r: 4 rows missing"),
    "a table dropped": ("DROP TABLE {s}.t", "table t: the table is gone"),
    "the schema dropped": ("DROP SCHEMA {s} CASCADE", "table k: the table is gone"),
    "a column added": (
        "ALTER TABLE {s}.t ADD note text; UPDATE {s}.t SET note = 'by hand' WHERE id = 7",
        "table t: its columns or its key are others",
    ),
    "a column dropped": ("ALTER TABLE {s}.t DROP COLUMN a", "table t: its columns or its key are others"),
    "a column renamed": ("ALTER TABLE {s}.t RENAME a TO c", "table t: its columns or its key are others"),
    "a type changed": ("ALTER TABLE {s}.t ALTER id TYPE numeric", "table t: its columns or its key are others"),
    "the key dropped": ("ALTER TABLE {s}.n DROP CONSTRAINT {key}", "table n: its columns or its key are others"),
    "a row that no SQLite file can have": (
        "UPDATE {s}.n SET f = NULL WHERE id = 3",
        "table n: 1 rows changed (keys [3])",
    ),
    "an exact value that means nothing": ("UPDATE {s}.t SET _exact = '1' WHERE id = 7", "1 rows changed (keys [7])"),
}


# The other edits are read back by the same code; all of them are tried at night.
OF_EACH_KIND = ("a row changed", "a row deleted", "a class", "a table dropped", "the schema dropped", "a type changed")

LONG = pytest.mark.nightly
ONE_EDIT = "UPDATE {s}.t SET a = 'by hand' WHERE id = 7"
ONE_CHANGE = "UPDATE t SET a = 'bot' WHERE id = 7"


@pytest.fixture
def mirrored(source: Source) -> Source:
    """Two restore points, an hour of the bot's between them."""
    fill(source)
    source.write(TABLES)
    assert source.point("full").run == 1
    source.write(
        "UPDATE t SET a = 'later' WHERE id IN (7, 8); DELETE FROM r WHERE b = 1; INSERT INTO r VALUES ('new', 5)"
    )
    assert source.point("full").run == 2
    return source


def schema(source: Source) -> str:
    return next(d.schema_name for d in source.read_state().databases if d.file == "bot.db")


def edit(source: Source, statement: str) -> None:
    name = schema(source)
    found = source.target.query(
        "SELECT conname FROM pg_constraint AS c JOIN pg_namespace AS n ON n.oid = c.connamespace "
        "WHERE n.nspname = %s AND conrelid = to_regclass(%s) AND contype = 'p'",
        name,
        f"{name}.n",
    )
    source.target.query(statement.format(s=name, key=found[0][0]))


def kept(source: Source) -> list[tuple[Any, ...]]:
    return source.target.query(
        "SELECT file, table_name, key, found, mirrored FROM sidemirror.foreign_edits AS e "
        "JOIN sidemirror.sources AS s ON s.id = e.source_id WHERE s.name = %s ORDER BY e.id",
        source.name,
    )


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_is_found_by_a_full_run_told_and_repaired(mirrored: Source, name: str) -> None:
    statement, told = EDITS[name]
    edit(mirrored, statement)
    mirrored.run()  # nothing changed here, and such a run does not look there
    for kind in ("full", "run"):
        [refusal] = mirrored.try_run(kind).refusals
        assert isinstance(refusal.error, TargetEdited)
        assert refusal.error.what.startswith("the mirror of bot.db was changed by somebody else: ")
        assert told in refusal.error.what
        mirrored.write("DELETE FROM t WHERE id = 9")
    assert mirrored.read_state().last_run == 2, "nothing is mirrored over it"

    assert told in str(repair(mirrored.settings))
    assert mirrored.point("full").run == 3
    assert drill(mirrored.settings).ok
    mirrored.verify()
    assert len(kept(mirrored)) > 0
    assert repair(mirrored.settings) == {}


def test_the_commands_tell_it_and_repair_it(mirrored: Source) -> None:
    edit(mirrored, EDITS["a row changed"][0])
    found = backup(mirrored, "once", "--full")
    assert found.returncode == 16
    assert "table t: 1 rows changed (keys [7])" in found.stdout
    assert "./sidemirror repair" in found.stdout
    assert not status(mirrored)["safe"]
    repaired = backup(mirrored, "repair")
    assert repaired.returncode == 0, repaired.stdout + repaired.stderr
    assert "Put right: bot.db: table t: 1 rows changed (keys [7])" in repaired.stdout
    now = status(mirrored)
    assert (now["safe"], now["outcome"]["drill"]["ok"]) == (True, True)
    assert backup(mirrored, "repair").stdout.count("Nothing is to be repaired") == 1


def test_what_was_found_is_kept_beside_what_was_mirrored(mirrored: Source) -> None:
    edit(
        mirrored,
        "UPDATE {s}.t SET a = 'by hand' WHERE id = 7; DELETE FROM {s}.k WHERE x = 'a'; INSERT INTO {s}.t (id) VALUES (-1)",
    )
    assert backup(mirrored, "repair").returncode == 0
    assert sorted(kept(mirrored), key=str) == [
        ("bot.db", "k", ["a", 1], None, {"v": "\\x00ff", "x": "a", "y": 1}),
        ("bot.db", "t", [-1], {"id": -1}, None),
        ("bot.db", "t", [7], _mirrored(mirrored, 7) | {"a": "by hand"}, _mirrored(mirrored, 7)),
    ]
    edit(mirrored, "ALTER TABLE {s}.t ADD note text; UPDATE {s}.t SET note = 'by hand' WHERE id = 8")
    assert backup(mirrored, "repair").returncode == 0
    shape, row = kept(mirrored)[-2:]
    assert (shape[2], row[2]) == (None, None)
    assert shape[3]["columns"]["note"] == "text"
    assert row[3]["note"] == "by hand"


def _mirrored(source: Source, key: int) -> dict[str, Any]:
    query = f"SELECT jsonb_strip_nulls(to_jsonb(m.*)) FROM {schema(source)}.t AS m WHERE id = {key}"
    row: dict[str, Any] = source.target.query(query)[0][0]
    return row


@pytest.mark.parametrize(
    ("change", "statement"),
    [
        pytest.param(change, statement, marks=() if change == ONE_CHANGE or statement == ONE_EDIT else LONG)
        for change in (ONE_CHANGE, "DELETE FROM t WHERE id = 7", "DROP TABLE t")
        for statement in (
            ONE_EDIT,
            "DELETE FROM {s}.t WHERE id = 7",
            "DROP TABLE {s}.t",
            "ALTER TABLE {s}.t DROP COLUMN a",
        )
    ],
)
def test_a_run_that_would_write_over_an_edit_refuses_that_file_and_mirrors_the_others(
    mirrored: Source, statement: str, change: str
) -> None:
    fill(mirrored, file="other.db")
    mirrored.point()
    edit(mirrored, statement)
    mirrored.write(change)
    mirrored.write("DELETE FROM t WHERE id = 1", "other.db")
    report = mirrored.try_run()
    assert [(r.file, type(r.error)) for r in report.refusals] == [("bot.db", TargetEdited)]
    assert (report.run, report.committed) == (4, True)
    repair(mirrored.settings)
    mirrored.points[4] = {file: mirrored.points[3][file] for file in ("bot.db",)} | {
        "other.db": mirrored.keep("other.db", 4)
    }
    mirrored.point("full")
    mirrored.verify()


def test_an_added_row_that_the_bot_adds_as_well_is_an_edit(mirrored: Source) -> None:
    edit(mirrored, "INSERT INTO {s}.t (id, a) VALUES (1000, 'by hand')")
    mirrored.write("INSERT INTO t (id, a) VALUES (1000, 'bot')")
    assert [type(r.error) for r in mirrored.try_run().refusals] == [TargetEdited]
    repair(mirrored.settings)
    mirrored.point("full")
    mirrored.verify()


@pytest.mark.parametrize("name", [pytest.param(name, marks=() if name in OF_EACH_KIND else LONG) for name in EDITS])
def test_with_the_shadow_lost_as_well_a_repair_cures_it(mirrored: Source, name: str) -> None:
    edit(mirrored, EDITS[name][0])
    shutil.rmtree(mirrored.state / "shadow")
    # What comes back is what was mirrored: a full run finds these.
    shape_only = name in ("a column added", "a type changed", "the key dropped")
    for _ in range(2):
        report = mirrored.try_run("full" if shape_only else "run")
        assert [type(r.error) for r in report.refusals] == [TargetEdited], (
            "it is told, run after run, and ends in nothing else"
        )
    repair(mirrored.settings)
    assert drill(mirrored.settings).ok
    assert not mirrored.point("full").committed
    mirrored.verify()


def test_with_the_shadow_lost_and_the_row_changed_by_the_bot_too_it_says_what_is_uncertain(mirrored: Source) -> None:
    edit(mirrored, "UPDATE {s}.t SET a = 'by hand' WHERE id = 7")
    shutil.rmtree(mirrored.state / "shadow")
    mirrored.write("UPDATE t SET a = 'bot' WHERE id = 7; DELETE FROM k")
    assert "restore point 2 is recorded as it can be had back now" in str(repair(mirrored.settings))
    mirrored.points.clear()
    mirrored.point("full")
    mirrored.verify()


def test_a_row_that_was_written_again_as_it_was_is_no_edit(mirrored: Source) -> None:
    edit(mirrored, "UPDATE {s}.t SET a = a; VACUUM_NOT".replace("; VACUUM_NOT", ""))
    assert mirrored.run("full").refusals == ()
    mirrored.write("UPDATE t SET a = 'bot' WHERE id = 7")
    edit(mirrored, "UPDATE {s}.t SET b = b")
    assert mirrored.point().run == 3, "a run that meets such a row looks closely, and goes on"
    mirrored.verify()


def test_a_target_that_was_dumped_and_loaded_is_compared_and_believed(mirrored: Source) -> None:
    mirrored.target.query("UPDATE sidemirror.sources SET checked_in = 1 WHERE name = %s", mirrored.name)
    edit(mirrored, "UPDATE {s}.t SET a = 'by hand' WHERE id = 7")
    assert len(mirrored.try_run("full").refusals) == 1
    repair(mirrored.settings)
    mirrored.target.query("UPDATE sidemirror.sources SET checked_in = 1 WHERE name = %s", mirrored.name)
    assert mirrored.run("full").refusals == ()
    [(same,)] = mirrored.target.query(
        "SELECT checked_in = 'sidemirror.sources'::regclass::oid FROM sidemirror.sources WHERE name = %s", mirrored.name
    )
    assert same


def test_the_list_of_our_transactions_stays_short(mirrored: Source) -> None:
    for day in range(5):
        mirrored.write(f"UPDATE t SET a = 'day {day}' WHERE id = 1")
        mirrored.run()

    def writers() -> int:
        query = (
            "SELECT count(*) FROM sidemirror.writers JOIN sidemirror.sources AS s ON s.id = source_id WHERE name = %s"
        )
        return int(mirrored.target.query(query, mirrored.name)[0][0])

    assert writers() >= 5
    poll("no older transaction is open", lambda: mirrored.run("full").committed or writers() <= 2)


def test_the_list_of_our_transactions_stays_short_while_one_mirror_stays_changed(mirrored: Source) -> None:
    fill(mirrored, "WAL", "other.db")
    mirrored.run()
    edit(mirrored, "UPDATE {s}.t SET a = 'by hand' WHERE id = 7")
    other = next(d.schema_name for d in mirrored.read_state().databases if d.file == "other.db")
    query = "SELECT count(*) FROM sidemirror.writers JOIN sidemirror.sources AS s ON s.id = source_id WHERE name = %s"

    def day(number: int) -> int:
        for hour in range(4):
            mirrored.write(f"UPDATE t SET a = 'day {number}, {hour}' WHERE id = 1", "other.db")
            mirrored.try_run()
        assert [refusal.file for refusal in mirrored.try_run("full").refusals] == ["bot.db"]
        return int(mirrored.target.query(query, mirrored.name)[0][0])

    first = day(0)
    poll("no older transaction is open", lambda: day(1) <= first + 4)
    assert day(2) <= first + 8
    mirrored.target.query(f"UPDATE {other}.t SET a = 'by hand' WHERE id = 9")
    found = {refusal.file for refusal in mirrored.try_run("full").refusals}
    assert found == {"bot.db", "other.db"}, "what is checked off on its own is looked at again"
    assert backup(mirrored, "repair").returncode == 0
    assert mirrored.run("full").refusals == ()
    mirrored.write("UPDATE t SET a = 'after the repair' WHERE id = 1")
    mirrored.run()

    def left() -> int:
        mirrored.run("full")
        return int(mirrored.target.query(query, mirrored.name)[0][0])

    poll("all of them are checked off", lambda: left() <= 2)


def test_a_document_that_was_changed_is_found_and_put_back(mirrored: Source) -> None:
    (mirrored.json / "data.json").write_text('{"a": 1}')
    mirrored.point()
    mirrored.target.query("UPDATE sidemirror.document_chunks SET bytes = '[]' WHERE bytes = '{\"a\": 1}'")
    assert [r.file for r in mirrored.try_run("full").refusals] == ["data.json"]
    assert backup(mirrored, "once").returncode == 16
    repaired = backup(mirrored, "repair")
    assert (repaired.returncode, "data.json: its bytes were put back" in repaired.stdout) == (0, True)
    mirrored.target.query("UPDATE sidemirror.document_chunks SET bytes = '[]' WHERE bytes = '{\"a\": 1}'")
    (mirrored.json / "data.json").write_text('{"a": 2}')
    repaired = backup(mirrored, "repair")
    assert (repaired.returncode, "data.json: the version that was mirrored last is lost" in repaired.stdout) == (
        0,
        True,
    )
    assert status(mirrored)["safe"]


def test_another_installation_repairs_nothing(mirrored: Source) -> None:
    edit(mirrored, "DELETE FROM {s}.t WHERE id = 7")
    (mirrored.state / "installation").unlink()
    assert backup(mirrored, "repair").returncode == 14
    assert mirrored.target.query(f"SELECT count(*) FROM {schema(mirrored)}.t") == [(299,)]
    assert edits.known(mirrored.state) == {}
