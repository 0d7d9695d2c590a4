"""One file never decides for all: what it throws, what it takes, and where it hangs is its own refusal, by its name."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from commanding import backup, health, status
from fix_source import Source
from fix_writer import process, until
from test_source_faults import GOOD, HOLDER

from backup import aside, turns
from backup.alive import Beat
from backup.aside import Aside
from backup.run import run
from backup.session import Session
from backup.watch import Watch
from mirror.errors import SourceFault, SourceUnreadable, Stuck


@contextmanager
def held(source: Source, file: str = "held.db") -> Iterator[None]:
    """A bot that holds its database exclusively: a run is at that file for half a minute."""
    if not (source.sqlite / file).exists():
        source.write(GOOD, file)
    with process(HOLDER, str(source.sqlite / file), "BEGIN EXCLUSIVE; INSERT INTO t (b) VALUES ('open');"):
        yield


@contextmanager
def at(source: Source, file: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run in a process of its own, that has come to this file."""
    started = subprocess.Popen(
        source.command("once"), env=source.process_environ, stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        until(
            lambda: (turn := turns.read(source.state)) is not None and (turn.file, turn.process) == (file, started.pid),
            120,
        )
        yield started
    finally:
        started.kill()
        started.wait()


@pytest.mark.parametrize("content", [r'{"\ud83d": 1, "\ud83d": 2}', r'{"a\u0000b": 1, "a\u0000b": 2}'])
def test_keys_that_postgres_cannot_hold_are_no_reason_to_refuse_a_document(content: str, source: Source) -> None:
    (source.json / "odd.json").write_text(content)
    source.write(GOOD)
    source.run()
    assert [document.file for document in source.read_state().documents] == ["odd.json"]


def test_a_file_that_postgres_does_not_take_is_refused_alone(source: Source) -> None:
    for file in ("checked.db", "good.db"):
        source.write(GOOD, file)
    source.run()
    checked = source.read_state().database("checked.db")
    assert checked is not None
    source.target.query(f"ALTER TABLE {checked.schema_name}.t ADD CHECK (a < 10)")  # somebody's in the Table Editor
    for file in ("checked.db", "good.db"):
        source.write("INSERT INTO t VALUES (20, 'z')", file)
    (source.json / "settings.json").write_text("{}")
    report = source.try_run()
    [refusal] = report.refusals
    assert (refusal.file, type(refusal.error)) == ("checked.db", SourceFault)
    assert "checked.db: Postgres does not take it" in refusal.error.what
    assert report.counts.upserted == 1
    assert [document.file for document in source.read_state().documents] == ["settings.json"]


def test_a_file_at_which_two_runs_were_killed_is_set_aside_and_comes_back_when_it_can_be_read(source: Source) -> None:
    source.write(GOOD, "good.db")
    with held(source):
        for _ in range(2):
            with at(source, "held.db") as started:
                started.kill()
                started.wait()
                assert backup(source, "ended").stdout == "held.db\n"
        done = backup(source, "once")
    assert done.returncode == Stuck.exit_code, done.stderr
    assert "held.db is set aside: 2 runs were ended" in done.stdout + done.stderr
    assert [database.file for database in source.read_state().databases] == ["good.db"]
    found = status(source)
    assert (found["safe"], [(one["kind"], one["subject"]) for one in found["wrong"]]) == (False, [("Stuck", "held.db")])

    session = Session(aside=Aside(lasting=True))
    try:
        [refusal] = run(source.settings, "run", session=session).refusals
        assert isinstance(refusal.error, Stuck)
        session.aside._refused["held.db"].pause = 0.0  # a minute has passed
        until(lambda: not run(source.settings, "run", session=session).refusals, 120)
    finally:
        session.close()
    assert [database.file for database in source.read_state().databases] == ["good.db", "held.db"]
    assert aside.counted(source.state) == {}
    assert sorted(source.state.glob("alone-*")) == []


def test_a_run_that_hangs_at_a_file_is_told_and_ended_and_the_file_set_aside(source: Source) -> None:
    source.write(GOOD, "good.db")
    with held(source):
        with at(source, "held.db") as started:
            turn = turns.read(source.state)
            assert turn is not None
            assert turns.hanging(source.state) is None
            content = (source.state / "turn.json").read_text()
            (source.state / "turn.json").write_text(content.replace(f'"began": {turn.began}', '"began": -70.0'))
            found = status(source)
            assert "NOT SAFE: a run has been at held.db for" in found["sentence"]
            assert [(one["kind"], one["subject"]) for one in found["wrong"]] == [("Stuck", "held.db")]
            Beat(lambda: source.settings).beat()
            code, told = health(source)
            assert (code, told.startswith("a run has been at held.db for ")) == (Stuck.exit_code, True)
            (source.state / "turn.json").write_text(content.replace(f'"began": {turn.began}', '"began": -1e6'))
            Watch(lambda: source.settings)._end_what_hangs()
            assert started.wait(120) == -9
        [refusal] = source.try_run().refusals
    assert (refusal.file, type(refusal.error)) == ("held.db", Stuck)
    assert [database.file for database in source.read_state().databases] == ["good.db"]


def test_bad_files_are_not_read_again_when_a_good_one_changes(source: Source) -> None:
    source.write(GOOD, "good.db")
    for number in range(6):
        (source.json / f"{number}.json").write_text('{"whole": 1}')
    source.run()
    source.write(GOOD + "INSERT INTO t (b) SELECT hex(zeroblob(500)) FROM t, t, t, t, t;", "corrupt.db")
    with (source.sqlite / "corrupt.db").open("r+b") as file:
        file.seek(4096 * 2)
        file.write(b"\xde\xad\xbe\xef" * 200)
    (source.sqlite / "notes.db").write_text("only some text, long enough to be no header at all")
    for number in range(6):
        (source.json / f"{number}.json").write_text('{"half": ')
    session = Session(aside=Aside(lasting=True))
    refused = session.aside._refused
    try:
        with held(source):
            report = run(source.settings, "full", session=session)
            assert sorted(refusal.file for refusal in report.refusals) == ["corrupt.db", "notes.db"]
            assert sorted(report.waiting) == [*(f"{n}.json" for n in range(6)), "held.db"], (
                "they may be right in a moment"
            )
            for known in refused.values():
                known.since, known.pause = known.since - 60, 600.0
            at = {file: known.at for file, known in refused.items()}
            for value in range(3):
                source.write(f"INSERT INTO t (b) VALUES ('{value}')", "good.db")
                report = run(source.settings, "change", session=session)
                assert report.counts.upserted == 1
                assert (len(report.refusals), report.waiting) == (9, ())
            assert {file: known.at for file, known in refused.items()} == at
            (source.json / "3.json").write_text("{}")
            report = run(source.settings, "change", session=session)
            assert "3.json" not in [refusal.file for refusal in report.refusals]
        refused["held.db"].pause = 0.0
        report = run(source.settings, "run", session=session)
        assert "held.db" not in [refusal.file for refusal in report.refusals]
    finally:
        session.close()


def test_a_folder_that_cannot_be_looked_into_is_refused_alone(source: Source) -> None:
    for folder in ("locked", "listed"):
        (source.sqlite / folder).mkdir()
        source.write(GOOD, f"{folder}/bot.db")
    source.write(GOOD, "good.db")
    source.run()
    (source.sqlite / "locked").chmod(0)
    (source.sqlite / "listed").chmod(0o444)
    source.write("INSERT INTO t (b) VALUES ('new')", "good.db")
    try:
        report = source.try_run()
    finally:
        for folder in ("locked", "listed"):
            (source.sqlite / folder).chmod(0o755)
    assert [(r.file, type(r.error)) for r in report.refusals] == [
        ("listed", SourceUnreadable),
        ("locked", SourceUnreadable),
    ]
    assert report.counts.upserted == 1
    source.run()


def test_a_run_that_a_person_ends_is_not_counted(source: Source) -> None:
    with held(source):
        with at(source, "held.db"):
            turns.forget(source.state)
        aside.count(source.state)
    assert aside.counted(source.state) == {}
