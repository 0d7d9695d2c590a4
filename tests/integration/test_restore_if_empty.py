"""The start of a new server: restored if there is nothing here, fresh if there is nothing there, stopped if nobody knows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from fix_source import Source
from restoring import KILLED_BEFORE_RENAME, content, files_below, fill, fill_all, fingerprint, killed, restore, restored
from wire import wire


def lose_everything(source: Source) -> None:
    for folder in (source.sqlite, source.json):
        for path in files_below(folder).values():
            path.unlink()


def test_empty_folders_are_filled_and_this_installation_is_the_holder(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    before = content(source, tmp_path / "before")
    lose_everything(source)
    (source.state / "installation").write_text("00000000-0000-4000-8000-000000000001\n")
    told = restored(source, "--if-empty").stdout
    assert "2 databases with 606 rows, 2 documents" in told
    assert content(source, tmp_path / "after") == before
    holder = source.target.query("SELECT holder::text FROM sidemirror.sources WHERE name = %s", source.name)
    assert holder == [("00000000-0000-4000-8000-000000000001",)]
    assert not source.run().committed


def test_with_data_here_nothing_is_touched_and_the_target_is_not_asked(source: Source) -> None:
    fill_all(source)
    source.run()
    source.write("DELETE FROM t")
    files = fingerprint(source)
    told = restore(source, "--if-empty", SUPABASE_DB_PORT="1")
    assert told.returncode == 0, told.stderr
    assert "There is data here" in told.stdout
    assert fingerprint(source) == files


def test_each_start_takes_away_what_earlier_restores_left_and_nothing_younger(source: Source) -> None:
    fill_all(source)
    source.run()
    restored(source, "--yes")
    [made] = (source.sqlite / "replaced").iterdir()
    for root in (source.sqlite, source.json):
        old = root / "replaced" / "20260101T000000Z"
        old.mkdir()
        (old / "kept.db").write_bytes(bytes(1000))
        (root / ".sidemirror/staged").mkdir(parents=True, exist_ok=True)
        (root / ".sidemirror/staged/half.db").write_bytes(bytes(1000))
    (source.sqlite / ".sidemirror/looking-x").mkdir()
    (source.sqlite / ".sidemirror/looking-x/1").write_bytes(bytes(1000))
    files = fingerprint(source)
    assert "There is data here" in restore(source, "--if-empty", SUPABASE_DB_PORT="1").stdout
    assert fingerprint(source) == files
    for root in (source.sqlite, source.json):
        assert [path.name for path in (root / "replaced").iterdir()] == [made.name]
        assert not (root / ".sidemirror/staged").exists()
    assert not list((source.sqlite / ".sidemirror").glob("looking-*"))


def test_one_document_is_data(source: Source) -> None:
    fill_all(source)
    source.run()
    for path in files_below(source.sqlite).values():
        path.unlink()
    assert "There is data here" in restored(source, "--if-empty").stdout
    assert files_below(source.sqlite) == {}


def test_with_nothing_in_the_target_the_bot_starts_fresh(source: Source) -> None:
    source.run()  # nothing to mirror: only this installation's id
    assert "starts fresh" in restored(source, "--if-empty").stdout
    assert files_below(source.sqlite) == {}


def test_other_sources_of_the_target_are_named_when_there_is_none_of_this_name(source: Source) -> None:
    fill_all(source)
    source.run()
    lose_everything(source)
    told = restore(source, "--if-empty", SOURCE_NAME=f"{source.name}x")
    assert (told.returncode, "starts fresh" in told.stdout) == (0, True), told.stderr
    assert source.name in told.stdout.split("It has backups of")[1]
    assert "is SOURCE_NAME right?" in told.stdout


def test_a_target_that_cannot_be_reached_stops_the_start_after_restore_patience(source: Source) -> None:
    fill_all(source)
    source.run()
    lose_everything(source)
    stopped = restore(source, "--if-empty", SUPABASE_DB_PORT="9", RESTORE_PATIENCE="2s")
    assert stopped.returncode == 4
    assert "refuses the connection; trying again" in stopped.stdout
    assert "the bot has no data here, and what the target holds could not be brought back" in stopped.stderr
    assert "RESTORE_ON_EMPTY=off" in stopped.stderr
    assert files_below(source.sqlite) == {}


def test_a_target_that_comes_later_is_waited_for(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    before = content(source, tmp_path / "before")
    lose_everything(source)
    certificate = tmp_path / "local.crt"
    with wire(source) as cable:
        cable.cut()
        environ = cable.environ | {"SUPABASE_DB_SSLROOTCERT": str(certificate), "RESTORE_PATIENCE": "60s"}
        process = subprocess.Popen(
            [sys.executable, "-m", "restore", "--if-empty"],
            env=source.process_environ | {"PYTHONUNBUFFERED": "1"} | environ,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert process.stdout is not None
        assert "asking the target" in process.stdout.readline()
        certificate.write_bytes(Path(source.environ["SUPABASE_DB_SSLROOTCERT"]).read_bytes())
        assert "trying again" in process.stdout.readline()
        cable.mend()
        told, _ = process.communicate(timeout=60)
    assert process.returncode == 0, told
    assert content(source, tmp_path / "after") == before


def test_with_data_here_a_wrong_setting_of_the_target_stops_no_bot(source: Source) -> None:
    fill_all(source)
    wrong = {"SUPABASE_DB_SSLMODE": "no such mode", "SUPABASE_DB_SSLROOTCERT": "/nowhere", "SOURCE_NAME": "Not A Name"}
    assert restore(source, "--if-empty", **wrong).returncode == 0
    lose_everything(source)
    told = restore(source, "--if-empty", RESTORE_PATIENCE="1s", **wrong)
    assert (told.returncode, "SUPABASE_DB_SSLMODE" in told.stderr, "SOURCE_NAME" in told.stderr) == (2, True, True)
    switch = restore(source, "--if-empty", RESTORE_ON_EMPTY="perhaps")
    assert (switch.returncode, "RESTORE_ON_EMPTY" in switch.stderr) == (2, True)


def test_empty_files_and_what_a_file_system_or_a_restore_keeps_are_no_data(source: Source, tmp_path: Path) -> None:
    fill_all(source)
    source.run()
    before = content(source, tmp_path / "before")
    lose_everything(source)
    for folder in ("lost+found", "replaced/20260101T000000Z", ".sidemirror/staged"):
        (source.sqlite / folder).mkdir(parents=True)
        (source.sqlite / folder / "bot.db").write_bytes(b"not the bot's")
    (source.sqlite / "bot.db").touch()  # a bot that opened it and never came to write
    restored(source, "--if-empty")
    (source.sqlite / "lost+found" / "bot.db").unlink()
    assert content(source, tmp_path / "after") == before


def test_a_folder_that_cannot_be_looked_into_stops_the_start(source: Source) -> None:
    fill_all(source)
    source.run()
    lose_everything(source)
    (source.sqlite / "sub").chmod(0)
    stopped = restore(source, "--if-empty")
    (source.sqlite / "sub").chmod(0o755)
    assert (stopped.returncode, "cannot look into" in stopped.stderr) == (9, True)
    assert files_below(source.sqlite) == {}


def test_what_an_earlier_start_left_half_restored_is_finished_without_the_target(
    source: Source, tmp_path: Path
) -> None:
    fill_all(source)
    source.run()
    before = content(source, tmp_path / "before")
    lose_everything(source)
    assert killed(source, KILLED_BEFORE_RENAME, source.sqlite / "sub" / "wal.db", "--if-empty")
    assert content(source, tmp_path / "half").keys() == {"bot.db"}
    assert restore(source, "--if-empty", SUPABASE_DB_PORT="9").returncode == 0
    assert content(source, tmp_path / "after") == before


def test_a_target_that_refuses_stops_the_start(source: Source) -> None:
    fill_all(source)
    source.run()
    lose_everything(source)
    refused = restore(source, "--if-empty", SUPABASE_DB_USER="nobody_of_that_name")
    assert refused.returncode == 5
    assert files_below(source.sqlite) == {}


def test_it_can_be_switched_off(source: Source) -> None:
    fill_all(source)
    source.run()
    lose_everything(source)
    off = restore(source, "--if-empty", RESTORE_ON_EMPTY="off")
    assert (off.returncode, files_below(source.sqlite)) == (0, {})


def test_what_cannot_be_brought_back_keeps_the_bot_from_starting_until_a_person_says_so(source: Source) -> None:
    fill_all(source)
    source.run()
    schema = next(d.schema_name for d in source.read_state().databases if d.file == "bot.db")
    source.target.query(f"DELETE FROM {schema}.t WHERE id = 7")
    lose_everything(source)
    for reason in ("1 could not be brought back", "but for what could not be brought back: bot.db"):
        result = restore(source, "--if-empty")
        assert result.returncode == 18, result.stdout + result.stderr
        assert reason in result.stderr
        assert "set RESTORE_PARTLY=start in .env, then ./sidemirror up" in result.stderr
        assert set(files_below(source.sqlite) | files_below(source.json)) == {
            "sub/wal.db",
            "data.json",
            "sub/more.json",
        }
    result = restore(source, "--if-empty", RESTORE_PARTLY="start")
    assert result.returncode == 0, result.stderr
    fill(source)
    assert restore(source, "--if-empty").returncode == 0, "somebody has put it there"


def test_with_restore_partly_start_the_first_start_goes_on_and_says_what_is_not_there(source: Source) -> None:
    fill_all(source)
    source.run()
    schema = next(d.schema_name for d in source.read_state().databases if d.file == "bot.db")
    source.target.query(f"DROP TABLE {schema}.t")
    lose_everything(source)
    result = restore(source, "--if-empty", RESTORE_PARTLY="start")
    assert result.returncode == 0, result.stderr
    assert "NOT brought back: bot.db" in result.stdout
    assert (source.sqlite / "sub/wal.db").exists()
