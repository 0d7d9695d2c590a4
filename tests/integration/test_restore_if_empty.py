"""The start of a new server: restored if there is nothing here, fresh if there is nothing there, stopped if nobody knows."""

from __future__ import annotations

from pathlib import Path

from fix_source import Source
from restoring import content, files_below, fill_all, fingerprint, restore, restored


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
