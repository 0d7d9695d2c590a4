"""Which point, which files: --at, --only, --list --json; and back again: --undo."""

from __future__ import annotations

import json
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from fix_source import Source
from restoring import another_process, content, fill, fill_all, fingerprint, restore, restored

from mirror import settings
from mirror.errors import SourceLive
from restore.config import RestoreSettings
from restore.undo import undo


def three_points(source: Source, tmp_path: Path) -> list[dict[str, object]]:
    """Three restore points, of 10:00, 11:00 and 12:00 on one day in UTC; gives the content at each."""
    fill_all(source)
    contents = []
    for number in range(3):
        source.write(f"UPDATE t SET a = 'point {number}' WHERE id = {number + 1}")
        (source.json / "data.json").write_text(json.dumps({"point": number}))
        source.run()
        contents.append(content(source, tmp_path / f"at{number}"))
    source.target.query(
        "UPDATE sidemirror.runs SET finished_at = timestamptz '2026-05-04 09:00Z' + run * interval '1 hour' "
        "WHERE source_id = (SELECT id FROM sidemirror.sources WHERE name = %s)",
        source.name,
    )
    return contents


def test_at_takes_the_last_point_at_or_before_a_time_and_says_which(source: Source, tmp_path: Path) -> None:
    contents = three_points(source, tmp_path)
    for number, (text, point) in enumerate(
        {"2026-05-04 11:59Z": 1, "2026-05-04T11:00:00Z": 1, "2026-05-04 10:30": 0, "yesterday": 2}.items()
    ):
        told = restored(source, "--yes", "--at", text).stdout
        assert f"Restore point {point + 1} of" in told
        assert "UTC" in told
        assert content(source, tmp_path / f"after{number}") == contents[point]


def test_at_is_read_in_the_local_zone_and_shown_in_both(source: Source, tmp_path: Path) -> None:
    contents = three_points(source, tmp_path)
    told = restore(source, "--yes", "--at", "2026-05-04 12:30", TZ="Europe/Berlin")
    assert told.returncode == 0, told.stderr
    assert "2026-05-04 12:30:00 CEST (10:30:00 UTC)" in told.stdout
    assert content(source, tmp_path / "after") == contents[0]


def test_a_time_before_the_first_point_and_a_text_that_is_no_time_are_refused(source: Source, tmp_path: Path) -> None:
    three_points(source, tmp_path)
    files = fingerprint(source)
    early = restore(source, "--yes", "--at", "2026-05-04 09:59Z")
    assert (early.returncode, "the oldest one is of 2026-05-04 10:00:00 UTC" in early.stderr) == (11, True)
    assert "Try: see all with: ./sidemirror restore --list\n" in early.stderr
    assert restored(source, "--list").stdout.count("\n") > 3, "and there they are"
    nonsense = restore(source, "--yes", "--at", "a fortnight hence, perhaps")
    assert (nonsense.returncode, "is not a time" in nonsense.stderr) == (2, True)
    both = restore(source, "--yes", "--at", "2h", "--run", "1")
    assert both.returncode == 2
    assert fingerprint(source) == files


def test_only_brings_back_what_is_named_and_touches_nothing_else(source: Source, tmp_path: Path) -> None:
    contents = three_points(source, tmp_path)
    restored(source, "--yes", "--run", "1", "--only", "bot", "--only", "data.json")
    after = content(source, tmp_path / "after")
    assert after == contents[2] | {name: contents[0][name] for name in ("bot.db", "data.json")}
    unknown = restore(source, "--yes", "--only", "both")
    assert (unknown.returncode, "it has bot.db, sub/wal.db, data.json, sub/more.json" in unknown.stderr) == (11, True)


def test_a_name_is_found_without_its_folder_where_only_one_is_meant(source: Source) -> None:
    for file in ("data/gotify.db", "data/mail.db", "old/mail.db"):
        (source.sqlite / file).parent.mkdir(exist_ok=True)
        fill(source, file=file)
    source.run()
    for name in ("gotify", "gotify.db", "data/gotify", "data/gotify.db"):
        assert "data/gotify.db  300 rows" in restored(source, "--yes", "--only", name).stdout.replace("303", "300")
    assert "data/gotify.db: t  300 rows" in restored(source, "--yes", "--only", "gotify.t").stdout
    for name, said in (
        ("mail", "mail can be each of data/mail.db, old/mail.db"),
        ("mail.t", "mail.t can be in each of"),
    ):
        unclear = restore(source, "--yes", "--only", name)
        assert (unclear.returncode, said in unclear.stderr) == (11, True), unclear.stderr
    assert "old/mail.db" in restored(source, "--yes", "--only", "old/mail").stdout


def test_list_as_json_gives_every_point_with_its_time(source: Source, tmp_path: Path) -> None:
    three_points(source, tmp_path)
    points = json.loads(restored(source, "--list", "--json").stdout)
    assert [(point["run"], point["at"]) for point in points] == [
        (3, "2026-05-04T12:00:00+00:00"),
        (2, "2026-05-04T11:00:00+00:00"),
        (1, "2026-05-04T10:00:00+00:00"),
    ]
    assert [(point["upserted"], point["deleted"], point["proved"]) for point in points[:2]] == [(1, 0, False)] * 2


def test_undo_puts_back_what_was_replaced_and_can_be_undone(source: Source, tmp_path: Path) -> None:
    contents = three_points(source, tmp_path)
    source.write("INSERT INTO t VALUES (1000, 'never mirrored', 0)")
    written_since = content(source, tmp_path / "written")
    restored(source, "--yes", "--run", "1")
    assert content(source, tmp_path / "restored") == contents[0]
    restored(source, "--yes", "--undo")
    assert content(source, tmp_path / "undone") == written_since
    restored(source, "--yes", "--undo")
    assert content(source, tmp_path / "again") == contents[0]


def test_undo_brings_back_rows_that_stood_only_in_the_wal(source: Source, tmp_path: Path) -> None:
    fill(source, "WAL")
    source.run()
    path = source.sqlite / "bot.db"
    with another_process(path, "INSERT INTO t VALUES (1000, 'in the WAL', 0)"):
        pass  # killed: the row is in the -wal file only
    before = content(source, tmp_path / "before")
    assert Path(f"{path}-wal").stat().st_size > 0
    restored(source, "--yes")
    restored(source, "--yes", "--undo")
    assert content(source, tmp_path / "after") == before


def test_undo_with_nothing_to_undo_and_while_the_bot_lives_is_refused(source: Source) -> None:
    fill(source, "WAL")
    source.run()
    nothing = restore(source, "--yes", "--undo")
    assert (nothing.returncode, "nothing to undo" in nothing.stderr) == (15, True)
    restored(source, "--yes")
    file = fingerprint(source)["bot.db"]
    with another_process(source.sqlite / "bot.db", "SELECT * FROM t"):
        assert restore(source, "--yes", "--undo").returncode == 10
    assert fingerprint(source)["bot.db"] == file
    assert restore(source, "--undo").returncode == 13


def test_undo_is_refused_when_the_bot_starts_after_the_question(source: Source) -> None:
    fill(source, "WAL")
    source.run()
    restored(source, "--yes")
    file = fingerprint(source)["bot.db"]
    with ExitStack() as bot:

        def confirm(_name: str, _files: list[str]) -> None:
            bot.enter_context(another_process(source.sqlite / "bot.db", "SELECT * FROM t"))

        with pytest.raises(SourceLive):
            undo(settings.load(RestoreSettings, source.environ), "", confirm)
    assert fingerprint(source)["bot.db"] == file


def test_replaced_files_are_thrown_away_after_keep_replaced(source: Source) -> None:
    fill_all(source)
    source.run()
    restored(source, "--yes")
    [made] = (source.sqlite / "replaced").iterdir()
    for root in (source.sqlite, source.json):
        (root / "replaced" / made.name).rename(root / "replaced" / "20260101T000000Z")
    (source.sqlite / "replaced" / "mine").mkdir()
    result = restore(source, "--yes", KEEP_REPLACED="7d")
    assert result.returncode == 0
    kept = {path.name for root in (source.sqlite, source.json) for path in (root / "replaced").iterdir()}
    assert "20260101T000000Z" not in kept
    assert "mine" in kept
    assert len(kept) == 2


def test_what_restores_have_put_aside_is_listed_and_any_of_it_can_be_put_back(source: Source, tmp_path: Path) -> None:
    contents = three_points(source, tmp_path)
    assert "Nothing that a restore has replaced is kept." in restored(source, "--replaced").stdout
    restored(source, "--yes", "--run", "1")
    restored(source, "--yes", "--run", "2", "--only", "bot")
    newest, oldest = json.loads(restored(source, "--replaced", "--json").stdout)
    assert newest["files"] == [str(source.sqlite / "bot.db")]
    assert newest["bytes"] == (source.sqlite / "replaced" / newest["set"] / "bot.db").stat().st_size
    assert len(oldest["files"]) == 4
    put_aside, until = (datetime.fromisoformat(oldest[name]) for name in ("at", "kept_until"))
    assert abs(datetime.now(UTC) - put_aside) < timedelta(minutes=5)
    assert until - put_aside == timedelta(days=7)
    told = restored(source, "--replaced").stdout
    for expected in (newest["set"], oldest["set"], "UTC", "kept until", "bot.db, wal.db, data.json, more.json"):
        assert expected in told
    restored(source, "--yes", "--undo", oldest["set"])
    assert content(source, tmp_path / "as at first") == contents[2]
    unknown = restore(source, "--yes", "--undo", "20000101T000000Z")
    assert (unknown.returncode, "there is no set 20000101T000000Z" in unknown.stderr) == (15, True)
