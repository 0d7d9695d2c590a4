"""A copy of the machine has the same installation id: one of the two writes, and the other one is refused and told."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from commanding import backup
from fix_source import Source
from fix_writer import until
from restoring import fill, restored
from test_alerts import Receiver, receiver, watching

from backup import events
from backup.own_runs import FILE, MOST, OwnRuns
from mirror.errors import TargetTaken

__all__ = ["receiver"]

HERE, THERE = "INSERT INTO k VALUES ('here', 1, 1)", "INSERT INTO k VALUES ('there', 1, 1)"


def cloned(source: Source) -> Source:
    """The same machine once more, as a snapshot of it has all of its folders."""
    other = Source(source.folder / "clone", source.target)
    for there, here in ((other.sqlite, source.sqlite), (other.json, source.json), (other.state, source.state)):
        shutil.rmtree(there)
        shutil.copytree(here, there, copy_function=shutil.copy2)
    other.name = source.name
    other.environ["SOURCE_NAME"] = source.name
    return other


def mirrored(source: Source) -> list[str]:
    """The keys that the bot or a test has added, in the mirror."""
    schema = source.read_state().databases[0].schema_name
    return sorted(x for (x,) in source.target.query(f'SELECT x FROM "{schema}".k WHERE length(x) > 1'))


def kinds(source: Source) -> list[str]:
    return [event.kind for event in events.read(source.state)]


@pytest.fixture
def twins(source: Source) -> tuple[Source, Source]:
    fill(source)
    source.run()
    source.write("UPDATE t SET a = 'b' WHERE id = 1")
    source.run()
    return source, cloned(source)


def test_the_second_of_two_clones_is_refused_at_its_first_run_and_nothing_is_deleted(
    twins: tuple[Source, Source], receiver: Receiver
) -> None:
    source, clone = twins
    clone.write(THERE)
    assert clone.run().run == 3
    source.write(HERE)
    refused = backup(source, "once")
    assert refused.returncode == 14, refused.stderr
    assert "another machine with a copy of this state folder" in refused.stderr
    assert "take-over" in refused.stderr
    assert mirrored(clone) == ["there"]
    assert backup(source, "check").returncode == 14
    assert backup(source, "drill").returncode == 14
    assert backup(source, "repair").returncode == 14
    assert backup(source, "once", "--full").returncode == 14

    # The one that goes on hears of it, once.
    with watching(clone, ALERT_URLS=receiver.url):
        for _ in range(2):
            clone.run("full")
        until(lambda: len(receiver.messages) > 0, 120)
    assert kinds(clone) == ["OtherRefused"]
    assert receiver.titles == [f"Sidemirror, {source.name}: another sidecar was refused"]
    assert "TargetTaken" in kinds(source)

    # A person decides that it is the other way round.
    assert backup(source, "take-over", "--yes").returncode == 0
    assert backup(source, "once").returncode == 0
    assert mirrored(source) == ["here"]
    assert backup(clone, "once").returncode == 14
    source.verify()


def test_a_restore_makes_the_machine_that_it_is_made_on_the_one_that_writes(twins: tuple[Source, Source]) -> None:
    source, clone = twins
    clone.write(THERE)
    clone.run()
    with pytest.raises(TargetTaken):
        source.try_run()
    restored(source, "--yes")
    with pytest.raises(TargetTaken):
        clone.try_run()
    source.write(HERE)
    source.run()
    assert mirrored(source) == ["here", "there"]


@pytest.mark.parametrize("moment", ["sent and not committed", "committed and not remembered"])
def test_a_crash_at_the_commit_makes_no_run_of_ours_unknown(
    moment: str, twins: tuple[Source, Source], monkeypatch: pytest.MonkeyPatch
) -> None:
    source, clone = twins
    source.write(HERE)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("backup.script.Script.commit" if moment.startswith("sent") else "backup.run._remember", die)
        patched.setattr("backup.own_runs.OwnRuns.end", lambda *_: None)  # as a kill between the two has it
        with pytest.raises(KeyboardInterrupt):
            source.run()
    if moment.startswith("committed"):
        with pytest.raises(TargetTaken):
            clone.try_run()
    assert source.point().run == 3
    source.verify()
    with pytest.raises(TargetTaken):
        clone.try_run()


def test_a_state_folder_of_an_older_program_goes_on_and_one_with_nothing_but_the_id_does_not(source: Source) -> None:
    fill(source)
    source.run()
    source.target.query("UPDATE sidemirror.sources SET token = NULL WHERE name = %s", source.name)
    (source.state / FILE).unlink()
    source.write(HERE)
    assert source.run().run == 2
    (source.state / FILE).unlink()
    with pytest.raises(TargetTaken):
        source.try_run()


def test_the_list_of_own_runs_is_bounded_and_a_line_that_was_cut_off_is_passed_over(tmp_path: Path) -> None:
    runs = OwnRuns(tmp_path)
    from uuid import uuid4

    tokens = [uuid4() for _ in range(4)]
    for number, token in enumerate(tokens, start=1):
        runs.begin(number, token)
        runs.end(number, token)
    with (tmp_path / FILE).open("a") as file:
        file.write("\nbegun 5 0123")
    runs = OwnRuns(tmp_path)
    assert runs.last is not None
    assert (runs.last.number, runs.begun) == (4, None)
    assert [run.number for run in runs.beyond(2)] == [3, 4]
    assert all(runs.knows(token) for token in tokens)
    runs.end(2, tokens[1])  # the target went back
    runs.end(3, uuid4())
    assert [run.number for run in OwnRuns(tmp_path).beyond(1)] == [2, 3]
    (tmp_path / FILE).write_text("".join(f"made {n} {uuid4().hex} 1\n" for n in range(2 * MOST)))
    runs = OwnRuns(tmp_path)
    runs.begin(1, tokens[0])
    assert len(OwnRuns(tmp_path).all) == MOST
