"""The layers at rest: names, numbers, clean-up, what is kept aside, statistics, restore."""

from __future__ import annotations

import asyncio
import gzip
import json
import logging
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from bot_modules.backup_system import Store
from bot_modules.backups import Stamp, list_backups, next_stamp
from bot_modules.database import DamagedFileError, DataManager, UnsavableDataError
from bot_modules.settings import Settings

NOW = datetime(2026, 11, 22, 2, 7, 21, tzinfo=UTC)


@pytest.fixture
def store(tmp_path) -> Store:
    return Store(tmp_path / "data.json", Settings(keep_backups=3))


def _save(store: Store, *numbers: int) -> None:
    for number in numbers:
        store.save(b'{"n": %d}' % number)


def _held(store: Store, kind: str) -> list[int]:
    """Newest first."""
    read = {"timestamped": Path.read_bytes, "compressed": lambda path: gzip.decompress(path.read_bytes())}[kind]
    return [json.loads(read(backup.path))["n"] for backup in store.backups() if backup.kind == kind]


def test_every_save_makes_a_timestamped_backup_and_every_fifth_a_compressed_one(store, tmp_path):
    _save(store, *range(1, 12))
    assert _held(store, "timestamped") == [11, 10, 9]
    assert _held(store, "compressed") == [10, 5]
    names = [path.name for path in (tmp_path / "backups").iterdir() if path.name != "checksums"]
    pattern = r"backup_\d{8}_\d{6}(_\d{6})?\.json|backup_compressed_\d{8}_\d{6}(_\d{6})?\.json\.gz"
    assert all(re.fullmatch(pattern, name) for name in names)


def test_the_fifth_save_is_counted_over_restarts(store):
    for number in range(1, 11):
        again = Store(store.path, Settings(keep_backups=3))
        again.load()
        _save(again, number)
    assert _held(store, "compressed") == [10, 5]


def test_saves_in_one_second_get_distinct_and_ordered_names():
    stamps = [Stamp("20261122_020721")]
    for _ in range(3):
        stamps.append(next_stamp(stamps[-1], NOW))
    assert [str(stamp) for stamp in stamps] == [
        "20261122_020721", "20261122_020721_000001", "20261122_020721_000002", "20261122_020721_000003",
    ]  # fmt: skip
    assert sorted(f"backup_{stamp}.json" for stamp in stamps) == [f"backup_{stamp}.json" for stamp in stamps]


def test_names_go_on_when_the_clock_goes_back_or_a_second_is_used_up():
    newest = Stamp("20261122_020721", 7)
    assert next_stamp(newest, NOW - timedelta(days=400)) == Stamp("20261122_020721", 8)
    assert next_stamp(newest, NOW + timedelta(seconds=1)) == Stamp("20261122_020722")
    assert next_stamp(Stamp("20261122_020759", 999_999), NOW) == Stamp("20261122_020800")


def test_clean_up_leaves_other_files_alone(store, tmp_path):
    (tmp_path / "backups").mkdir()
    for name in ("mine.json", "backup_before_the_move.json", "backup_20200101_000000.json.gz"):
        (tmp_path / "backups" / name).write_text("{}")
    _save(store, *range(1, 9))
    assert len(list((tmp_path / "backups").glob("*"))) == 3 + 3 + 1 + 1


def test_clean_up_never_deletes_the_last_backup_that_validates(store):
    _save(store, 1, 2, 3)
    good = store.backups()[-1]
    folder = good.folder
    for backup in store.backups()[:-1]:
        backup.path.write_bytes(b'{"n": 7}')
    (folder / "checksums").unlink()
    later = Store(store.path, Settings(keep_backups=2), validate=lambda data: data["n"] == 1)
    later._open()
    (folder / "backup_29990101_000000.json").write_bytes(b"{")
    later._clean_up()
    left = [backup.name for backup in list_backups(folder)]
    assert good.name in left


def test_clean_up_deletes_what_is_older_than_a_valid_one(store):
    _save(store, 1, 2, 3, 4)
    store.backups()[0].path.write_bytes(b"{")
    _save(store, 5)
    assert len(store.backups()) == 3 + 1
    assert json.loads(store.backups()[0].path.read_bytes()) == {"n": 5}


def test_validate_guards_saves_and_loads(tmp_path):
    path = tmp_path / "data.json"
    manager = DataManager(path, validate=lambda data: "users" in data, fresh=lambda: {"users": {}})
    assert asyncio.run(manager.load()) == {"users": {}}
    asyncio.run(manager.save({"users": {"1": "a"}}))
    with pytest.raises(UnsavableDataError, match="refused by validate"):
        asyncio.run(manager.save({"user": 1}))
    path.write_bytes(b'{"user": 1}')
    assert asyncio.run(manager.load()) == {"users": {"1": "a"}}
    assert [p.read_bytes() for p in tmp_path.glob("data.json.damaged_*")] == [b'{"user": 1}']


def test_a_bug_in_validate_is_an_error_and_moves_no_file(store, tmp_path):
    _save(store, 1)
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(KeyError):
        Store(store.path, Settings(), validate=lambda data: data["users"]).load()
    assert sorted(tmp_path.rglob("*")) == before


def test_what_is_kept_aside_never_takes_the_place_of_another(store, tmp_path, caplog):
    caplog.set_level(logging.CRITICAL)
    _save(store, 1)
    for damage in (b"{", b"{{", b"{{{"):
        store.path.write_bytes(damage)
        assert Store(store.path, Settings()).load() == {"n": 1}
    aside = sorted(path.read_bytes() for path in tmp_path.glob("data.json.damaged_*"))
    assert aside == [b"{", b"{{", b"{{{"]
    assert not any(path.name.endswith(".json") for path in tmp_path.glob("*damaged*"))


def test_the_manager_lists_counts_and_restores(tmp_path):
    async def use() -> None:
        manager = DataManager(tmp_path / "data.json", settings=Settings())
        for number in range(1, 7):
            await manager.save({"n": number})
        backups = await manager.backups()
        assert [backup.kind for backup in backups].count("compressed") == 1
        assert abs((datetime.now(UTC) - backups[0].time).total_seconds()) < 60
        told = await manager.statistics()
        assert (told.saves, told.timestamped, told.compressed, told.failures, told.recoveries) == (6, 6, 1, 0, 0)
        assert told.size == len(b'{"n": 6}')
        assert told.emergency is None
        for backup in backups:
            restored = await manager.restore(backup.name)
            assert manager.data is restored
            assert await DataManager(tmp_path / "data.json", settings=Settings()).load() == restored
        assert restored == {"n": 1}
        with pytest.raises(FileNotFoundError):
            await manager.restore("../data.json")
        backups[0].path.write_bytes(b'{"n": 60}')
        with pytest.raises(DamagedFileError, match="checksum"):
            await manager.restore(backups[0].name)
        assert await manager.load() == {"n": 1}

    asyncio.run(use())


def test_a_backups_folder_that_cannot_be_used_does_not_fail_the_save(store, tmp_path, caplog):
    (tmp_path / "backups").write_text("a file where the folder should be")
    _save(store, 1, 2)
    assert Store(store.path, Settings()).load() == {"n": 2}
    assert "no timestamped backup of this save" in caplog.text
