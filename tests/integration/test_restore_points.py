"""Older restore points, other folders, edited mirrors, and who may write afterwards."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from fix_source import Source
from restoring import Result, content, contents_of, fill, fill_all, fingerprint, restore, restored

from mirror.errors import TargetTaken


def test_an_older_restore_point_comes_back_as_it_was(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    first = source.run().run
    before = content(source, tmp_path / "before")
    source.write("DROP TABLE k; ALTER TABLE t ADD COLUMN c; DELETE FROM t WHERE id < 20; UPDATE t SET c = a")
    source.write("CREATE TABLE only_later (a); INSERT INTO only_later VALUES (1)", "sub/wal.db")
    (source.json / "data.json").write_bytes(b"{}")
    source.run()
    later = content(source, tmp_path / "later")

    restored(source, "--yes", "--run", str(first))
    assert content(source, tmp_path / "after") == before
    restored(source, "--yes")
    assert content(source, tmp_path / "again") == later


def test_after_an_older_point_the_next_run_mirrors_what_was_restored(source: Source, tmp_path: Path) -> None:
    fill(source)
    first = source.run().run
    before = content(source, tmp_path / "before")
    source.write(
        "UPDATE t SET a = 'later' WHERE id <= 10; DELETE FROM t WHERE id > 290; INSERT INTO k VALUES ('z', 0, 0)"
    )
    source.run()
    restored(source, "--yes", "--run", str(first))
    report = source.run()
    assert (report.run, report.counts.upserted, report.counts.deleted) == (3, 20, 1)
    source.sqlite.joinpath("bot.db").unlink()
    restored(source, "--yes")
    assert content(source, tmp_path / "after") == before
    assert not source.run("full").committed


def test_a_database_that_is_newer_than_the_point_is_left_alone(source: Source) -> None:
    fill(source)
    first = source.run().run
    fill(source, file="newer.db")
    source.run()
    newer = (source.sqlite / "newer.db").read_bytes()
    restored(source, "--yes", "--run", str(first))
    assert (source.sqlite / "newer.db").read_bytes() == newer


def test_points_that_are_unknown_or_thinned_out_end_with_11_and_say_which_is_near(source: Source) -> None:
    fill(source)
    source.run()
    for number in (1, 2):
        source.write(f"UPDATE t SET a = 'change {number}'")
        source.run()
    source.target.query(
        "DELETE FROM sidemirror.runs USING sidemirror.sources AS s WHERE s.id = source_id AND s.name = %s AND run = 2",
        source.name,
    )
    before = fingerprint(source)
    unknown, thinned = restore(source, "--yes", "--run", "9"), restore(source, "--yes", "--run", "2")
    assert (unknown.returncode, thinned.returncode, fingerprint(source)) == (11, 11, before)
    assert "there is no restore point 9; the last one is 3" in unknown.stderr
    assert "restore point 2 was thinned out by RETENTION; the last one before it is 1" in thinned.stderr
    assert restore(source, "--yes", "--run", "0").returncode == 2


def test_list_shows_the_points_newest_first(source: Source) -> None:
    fill_all(source)
    source.run()
    source.write("DELETE FROM t WHERE id <= 7; INSERT INTO k VALUES ('n', 1, 1), ('n', 2, 2)")
    source.run()
    source.target.query("UPDATE sidemirror.runs SET proved_at = now() WHERE run = 1")
    heading, *lines = restored(source, "--list").stdout.splitlines()
    times = ["time", "(UTC)", "time", "(local)"]
    assert heading.split() == ["run", *times, "rows", "upserted", "deleted", "proved", "changed"]
    found = [line.split() for line in lines]
    expected = [["2", "601", "2", "7", "-", "bot.db:"], ["1", "606", "606", "0", "yes", "bot.db:"]]
    assert [[line[0], *line[6:11]] for line in found] == expected


def test_into_writes_everything_and_nothing_else(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    before, files = content(source, tmp_path / "before"), fingerprint(source)
    holder = source.target.query("SELECT holder, held_since FROM sidemirror.sources WHERE name = %s", source.name)
    into = tmp_path / "into"
    restored(source, "--into", str(into))  # nothing is replaced, so nobody is asked
    (tmp_path / "there").mkdir()
    assert contents_of(into / "sqlite", into / "json", tmp_path / "there") == before
    assert sorted(path.name for path in into.rglob("*") if path.is_file()) == sorted(
        ["bot.db", "wal.db", "data.json", "more.json"]
    )
    assert fingerprint(source) == files
    after = source.target.query("SELECT holder, held_since FROM sidemirror.sources WHERE name = %s", source.name)
    assert after == holder

    refused = restore(source, "--into", str(into), "--yes")
    assert refused.returncode == 9
    assert "is there already" in refused.stderr


EDITS = {
    "a value": "UPDATE {schema}.t SET a = 'by hand' WHERE id = 7",
    "a row that goes": "DELETE FROM {schema}.t WHERE id = 7",
    "a row that comes": "INSERT INTO {schema}.t (id, a) VALUES (1000, 'more')",
    "a row that SQLite would refuse": "INSERT INTO {schema}.t (id, b) VALUES (1000, 1.5)",
    "thousands of rows that SQLite would refuse": "INSERT INTO {schema}.t (id, b) "
    "SELECT n, 1.5 FROM generate_series(1000, 7000) AS n",
    "a class": """UPDATE {schema}.t SET a = NULL, _exact = '{{"a": {{"blob": "AA=="}}}}' WHERE id = 7""",
    "an exact value that means nothing": """UPDATE {schema}.t SET _exact = '{{"a": 5, "?": []}}' WHERE id = 7""",
    "an exact value of another shape": """UPDATE {schema}.t SET _exact = '"x"' WHERE id = 7""",
    "a column that goes": "ALTER TABLE {schema}.t DROP COLUMN b",
    "a table that goes": "DROP TABLE {schema}.t",
    "a document": "UPDATE sidemirror.document_chunks SET bytes = 'x'",
    "a document that goes": "DELETE FROM sidemirror.document_contents",
    "a piece of a document that goes": "DELETE FROM sidemirror.document_chunks",
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_mirror_ends_with_12_and_nothing_in_place_is_touched(edit: str, source: Source) -> None:
    fill_all(source)
    source.run()
    schema = next(d.schema_name for d in source.read_state().databases if d.file == "bot.db")
    source.target.query(EDITS[edit].format(schema=schema))
    before = fingerprint(source)
    file = "data.json" if "document" in edit else "bot.db"
    result = restore(source, "--yes", "--only", file)
    assert result.returncode == 12, result.stderr
    assert "Traceback" not in result.stderr
    assert "Try: " in result.stderr
    assert fingerprint(source) == before
    assert not (source.sqlite / "replaced").exists()
    assert not list((source.sqlite / ".sidemirror").rglob("*.db")), "what was staged is gone"

    into = source.folder / "into"
    assert restore(source, "--into", str(into), "--yes", "--only", file).returncode == 12
    assert [path for path in into.rglob("*") if path.is_file()] == []


@pytest.mark.parametrize("edit", ["a value", "a table that goes", "a document that goes"])
def test_what_cannot_be_brought_back_does_not_keep_the_others_from_coming_back(
    edit: str, source: Source, tmp_path: Path
) -> None:
    fill_all(source)
    source.run()
    mirrored = content(source, tmp_path / "mirrored")
    schema = next(d.schema_name for d in source.read_state().databases if d.file == "bot.db")
    source.target.query(EDITS[edit].format(schema=schema))
    left = {"data.json", "sub/more.json"} if "document" in edit else {"bot.db"}
    for file in ("bot.db", "sub/wal.db"):
        source.write("DELETE FROM t WHERE id > 3", file)
    (source.json / "data.json").write_text("{}")
    here = content(source, tmp_path / "here")
    result = restore(source, "--yes")
    assert result.returncode == 18, result.stdout + result.stderr
    assert f"{4 - len(left)} files of run 1 are back, {len(left)} could not be brought back:" in result.stderr
    assert all(f"{file}: an older restore point may have it" in result.stderr for file in left)
    found = content(source, tmp_path / "found")
    assert found == {file: (here if file in left else mirrored)[file] for file in mirrored}
    assert not [path for path in (source.sqlite / ".sidemirror").rglob("*") if path.is_file()]

    into = tmp_path / "into"
    assert restore(source, "--into", str(into)).returncode == 18
    (tmp_path / "there").mkdir()
    there = contents_of(into / "sqlite", into / "json", tmp_path / "there")
    assert there == {file: mirrored[file] for file in mirrored if file not in left}
    assert "NOT brought back: " in restore(source, "--yes").stdout


def test_an_older_point_that_has_the_file_whole_is_named_and_brings_it_back(source: Source) -> None:
    fill_all(source)
    source.run()
    old = (source.json / "data.json").read_bytes()
    (source.json / "data.json").write_text('{"a": 2}')
    source.run()
    source.target.query(
        "DELETE FROM sidemirror.document_contents WHERE sha256 = "
        f"decode('{hashlib.sha256((source.json / 'data.json').read_bytes()).hexdigest()}', 'hex')"
    )
    (source.json / "data.json").unlink()
    result = restore(source, "--yes")
    assert result.returncode == 18, result.stderr
    assert "./sidemirror restore --only data.json --run 1" in result.stderr
    restored(source, "--yes", "--only", "data.json", "--run", "1")
    assert (source.json / "data.json").read_bytes() == old


def second_installation(source: Source) -> Source:
    """The same source on another machine, with nothing there yet."""
    other = Source(source.folder / "elsewhere", source.target)
    other.name = source.name
    other.environ["SOURCE_NAME"] = source.name
    return other


def backup(source: Source, *arguments: str) -> Result:
    return subprocess.run(
        source.command(*arguments),
        env=source.process_environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_a_restore_moves_the_holder_here_and_the_other_installation_is_refused(source: Source) -> None:
    fill(source)
    source.run()
    other = second_installation(source)
    assert "WRONG holder" in backup(other, "check").stdout
    restored(other, "--yes")
    assert not other.run().committed

    source.write("DELETE FROM k")
    refused = backup(source, "once")
    assert refused.returncode == 14
    assert "written by another installation" in refused.stderr
    assert "take-over" in refused.stderr
    with pytest.raises(TargetTaken):
        source.try_run()
    assert source.read_state().last_run == 1
    troubles = json.loads((source.state / "status.json").read_text())["troubles"]
    assert [trouble["kind"] for trouble in troubles] == ["TargetTaken"]


def test_take_over_makes_this_installation_the_holder(source: Source, tmp_path: Path) -> None:
    fill(source)
    source.run()
    other = second_installation(source)
    shutil.copy(source.sqlite / "bot.db", other.sqlite / "bot.db")
    assert backup(other, "once").returncode == 14
    asked = backup(other, "take-over")
    assert asked.returncode != 0, "nobody is there to ask"
    holder = (source.state / "installation").read_text().strip()
    assert f"{source.name} is at run 1 and is written by {holder} on " in asked.stdout, "it says what it saw"
    assert "the next run here makes the mirror equal to the files here" in asked.stdout
    assert backup(other, "once").returncode == 14
    assert backup(other, "take-over", "--yes").returncode == 0
    assert backup(other, "once").returncode == 0
    assert backup(source, "once").returncode == 14


def test_take_over_of_a_source_that_the_target_does_not_know_says_so(source: Source) -> None:
    result = backup(source, "take-over", "--yes")
    assert result.returncode == 0
    assert "the first run makes this installation the holder" in result.stdout
