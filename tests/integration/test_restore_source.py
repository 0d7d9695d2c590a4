"""restore --source: another source's data under this name, on purpose; the other one is not touched."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from commanding import backup
from fix_source import Source
from fix_target import Target
from restoring import content, fill_all, fingerprint, poll, restore, restored

NUMBERS = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {}) SELECT i FROM n"


@pytest.fixture
def other(source: Source, target: Target, tmp_path: Path) -> Source:
    """Another bot, with two restore points, in the target of `source`; which has more rows, and one file more."""
    other = Source(tmp_path / "other", target)
    fill_all(other)
    other.run()
    other.write("DELETE FROM k")
    other.run()
    source.environ["GUARD_SHRINK"] = "50%"
    fill_all(source)
    source.write(f"INSERT INTO t (a) {NUMBERS.format(2000)}")
    source.write("CREATE TABLE own (a); INSERT INTO own VALUES (1)", "own.db")
    source.run()
    return other


def everything_of(source: Source) -> list[tuple[object, ...]]:
    return source.target.query(
        "SELECT holder, held_since, last_run, (sidemirror.state(name) - 'target_bytes')::text "
        "FROM sidemirror.sources WHERE name = %s",
        source.name,
    )


def test_the_data_of_another_source_comes_and_is_mirrored_as_this_ones(
    source: Source, other: Source, tmp_path: Path
) -> None:
    then = content(other, tmp_path / "then")
    before = content(source, tmp_path / "before")
    untouched, files = everything_of(other), fingerprint(other)
    told = restored(source, "--yes", "--source", other.name, "--as", source.name).stdout
    assert f"Restore point 2 of {other.name} (made " in told
    assert f"This is the data of {other.name}, and it comes into the folders of {source.name}." in told
    after = content(source, tmp_path / "after")
    assert after == then | {"own.db": before["own.db"]}

    ran = backup(source, "once")
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert f"bot.db was restored to run 2 of {other.name}, so it may have less than its mirror" in ran.stdout
    assert source.read_state().last_run == 2
    assert {d.file: d.content_hash for d in source.read_state().databases if d.file != "own.db"} == {
        d.file: d.content_hash for d in other.read_state().databases
    }
    assert not source.run("full").committed
    assert (everything_of(other), fingerprint(other)) == (untouched, files)
    assert other.run().run == 2, "the holder of the other one goes on"

    restored(source, "--yes", "--run", "1")
    assert content(source, tmp_path / "back") == before


def test_an_older_point_a_single_table_and_the_ways_that_change_nothing(
    source: Source, other: Source, tmp_path: Path
) -> None:
    files = fingerprint(source)
    assert "\n      2  " in restored(source, "--list", "--source", other.name).stdout
    assert json.loads(restored(source, "--dry-run", "--json", "--source", other.name).stdout)["source"] == other.name
    restored(source, "--yes", "--source", other.name, "--run", "1", "--into", str(tmp_path / "into"))
    assert (tmp_path / "into" / "sqlite" / "bot.db").exists()
    restored(source, "--source", other.name, "--only", "bot", "--to-sql", str(tmp_path / "dump.sql"))
    assert fingerprint(source) == files
    restored(source, "--yes", "--source", other.name, "--as", source.name, "--run", "1", "--only", "bot.t")
    found = content(source, tmp_path / "found")
    assert found["bot.db"]["tables"][b"t"] == content(other, tmp_path / "theirs")["bot.db"]["tables"][b"t"]
    assert len(found) == 5


def test_it_needs_both_names(source: Source, other: Source) -> None:
    files = fingerprint(source)
    for arguments in (["--yes"], [], ["--as", source.name]):
        result = restore(source, "--source", other.name, *arguments)
        assert result.returncode == 13
        assert f"the data of {other.name} would replace that of {source.name}" in result.stderr
        assert f"--yes --as {source.name}" in result.stderr
    wrong = restore(source, "--yes", "--source", other.name, "--as", other.name)
    assert (wrong.returncode, f"--as {source.name}" in wrong.stderr) == (2, True)
    assert restore(source, "--yes", "--as", source.name).returncode == 2
    assert restore(source, "--yes", "--source", source.name).returncode == 2
    unknown = restore(source, "--yes", "--source", "nobody", "--as", source.name)
    assert (unknown.returncode, other.name in unknown.stderr) == (11, True)
    assert fingerprint(source) == files


@pytest.mark.parametrize("typed", ["the name", "y"])
def test_a_person_types_the_name_of_what_is_replaced(typed: str, source: Source, other: Source) -> None:
    files = fingerprint(source)
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "restore", "--source", other.name, "--only", "data.json"],
        env=source.process_environ,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        told = b""

        def asked() -> bool:
            nonlocal told
            told += os.read(ours, 65536)
            return f"type {source.name}".encode() in told

        poll("it asks", asked)
        os.write(ours, f"{source.name if typed == 'the name' else typed}\n".encode())
        process.wait(30)
    os.close(ours)
    assert process.returncode == (0 if typed == "the name" else 13)
    assert (fingerprint(source) == files) == (typed == "y")
