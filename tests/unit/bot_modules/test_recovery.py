"""Which file is believed: the order, the traps in it, and damage of every kind to every layer."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path

import pytest
from bot_modules.backup_system import Store
from bot_modules.errors import SaveFailedError
from bot_modules.settings import Settings
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.fixture(autouse=True)
def _quiet(caplog):
    caplog.set_level(logging.CRITICAL)


def _store(folder: Path, **more: object) -> Store:
    return Store(folder / "data.json", Settings(keep_backups=3, emergency_dir=folder / "second"), **more)  # type: ignore[arg-type]


def _document(number: int) -> bytes:
    return b'{"n": %d, "digits": [1, 22, 333], "text": "Caf\xc3\xa9"}' % number


@contextlib.contextmanager
def _failing(folder: Path):
    """While it lasts the main file cannot be written."""
    (folder / ".data.json.new").mkdir()
    yield
    (folder / ".data.json.new").rmdir()


def _fail(store: Store, number: int) -> Path:
    with _failing(store.path.parent), pytest.raises(SaveFailedError) as failed:
        store.save(_document(number))
    assert failed.value.kept
    return failed.value.kept


def _loaded(folder: Path) -> int | None:
    data = _store(folder).load()
    return data and data["n"]


def _rot(path: Path, content: bytes) -> None:
    """Changes the content as a disk does: the size and the times stay."""
    times = path.stat()
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))


def test_the_order_is_main_emergency_timestamped_compressed_fresh(tmp_path):
    store = _store(tmp_path)
    for number in range(1, 6):
        store.save(_document(number))
    _fail(store, 6)
    main, emergency = tmp_path / "data.json", tmp_path / "data.emergency.json"
    assert _loaded(tmp_path) == 6
    assert not emergency.exists()
    shutil.copy(next((tmp_path / "backups").glob("*.gz")), tmp_path / "kept.gz")
    main.unlink()
    assert _loaded(tmp_path) == 6
    for path in [main, *(tmp_path / "backups").glob("*.json")]:
        path.write_bytes(b"")
    assert _loaded(tmp_path) == 5
    for path in [main, *(tmp_path / "backups").glob("backup_*")]:
        path.write_bytes(b"")
    assert _loaded(tmp_path) is None
    assert not main.exists()
    assert len(list(tmp_path.glob("data.json.damaged_*"))) == 2


def test_a_valid_but_old_main_file_loses_against_the_emergency_copy(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    for number in (2, 3):
        assert _fail(store, number) == tmp_path / "data.emergency.json"
        assert json.loads((tmp_path / "data.json").read_bytes())["n"] == 1
    assert _loaded(tmp_path) == 3
    assert json.loads((tmp_path / "data.json").read_bytes())["n"] == 3
    assert [json.loads(path.read_bytes())["n"] for path in tmp_path.glob("data.json.older_*")] == [1]


def test_the_main_file_wins_once_it_was_saved_again_even_if_the_emergency_copy_stays(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    emergency = _fail(store, 2)
    content = emergency.read_bytes()
    store.save(_document(3))
    assert not emergency.exists()
    emergency.write_bytes(content)  # it could not be removed
    assert _loaded(tmp_path) == 3


def test_the_same_document_as_before_the_failure_wins_when_it_was_saved_after_it(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    content = _fail(store, 2).read_bytes()
    store.save(_document(1))
    (tmp_path / "data.emergency.json").write_bytes(content)
    assert _loaded(tmp_path) == 1


def test_of_two_emergency_copies_the_newer_one_wins(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    _fail(store, 2)
    (tmp_path / ".data.emergency.json.new").mkdir()
    assert _fail(store, 3) == tmp_path / "second" / "data.emergency.json"
    (tmp_path / ".data.emergency.json.new").rmdir()
    assert _loaded(tmp_path) == 3
    assert not list(tmp_path.rglob("data.emergency.json"))


def test_a_backup_that_is_newer_than_a_left_over_emergency_copy_wins(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    content = _fail(store, 2).read_bytes()
    store.save(_document(3))
    (tmp_path / "data.emergency.json").write_bytes(content)
    (tmp_path / "data.json").write_bytes(b"{")
    assert _loaded(tmp_path) == 3


def test_a_hand_edited_main_file_is_believed(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    (tmp_path / "data.json").write_text('{\n  "n": 7\n}\n')
    assert _loaded(tmp_path) == 7
    assert not list(tmp_path.glob("*damaged*"))


def test_a_main_file_that_a_restore_put_back_is_believed(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    shutil.copy2(tmp_path / "data.json", tmp_path / "restored")
    for number in (2, 3):
        store.save(_document(number))
    (tmp_path / "restored").rename(tmp_path / "data.json")
    assert _loaded(tmp_path) == 1


def test_a_main_file_put_there_after_a_failure_is_believed_and_the_emergency_copy_kept(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    _fail(store, 2)
    (tmp_path / "data.json").write_text('{"n": 7}')
    assert _loaded(tmp_path) == 7
    assert len(list(tmp_path.glob("data.emergency.json.older_*"))) == 1


def test_a_save_without_a_load_keeps_an_emergency_copy_that_nobody_read(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    content = _fail(store, 2).read_bytes()
    _store(tmp_path).save(_document(3))
    assert [path.read_bytes() for path in tmp_path.glob("data.emergency.json.unread_*")] == [content]
    assert _loaded(tmp_path) == 3


def test_the_document_in_the_emergency_copy_can_be_taken_out_by_hand(tmp_path):
    emergency = _fail(_store(tmp_path), 2)
    assert json.loads(emergency.read_bytes())["document"]["n"] == 2
    assert emergency.read_bytes().splitlines()[3] == _document(2)


def test_a_lost_checksum_file_loses_nothing(tmp_path):
    store = _store(tmp_path)
    store.save(_document(1))
    _fail(store, 2)
    (tmp_path / "backups" / "checksums").unlink()
    assert _loaded(tmp_path) == 2


def test_a_file_that_may_not_be_read_is_an_error_and_no_reason_for_an_older_one(tmp_path):
    _store(tmp_path).save(_document(1))
    (tmp_path / "data.json").unlink()
    (tmp_path / "data.json").mkdir()
    with pytest.raises(IsADirectoryError):
        _store(tmp_path).load()


def damages() -> st.SearchStrategy[tuple[str, int, int]]:
    places = st.integers(0, 1_000_000)
    return st.tuples(st.sampled_from(["truncate", "flip", "zero"]), places, st.integers(0, 7))


def _damaged(content: bytes, damage: tuple[str, int, int]) -> bytes:
    kind, place, bit = damage
    if not content:
        return content
    at = place % len(content)
    if kind == "truncate":
        return content[:at]
    if kind == "zero":
        return content[:at] + bytes(len(content) - at)
    return content[:at] + bytes([content[at] ^ 1 << bit]) + content[at + 1 :]


MEMORY = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
LAYERS = ["data.json", "data.emergency.json", "backups/checksums", "newest timestamped", "newest compressed"]


@settings(max_examples=400, deadline=None)
@given(hurt=st.dictionaries(st.sampled_from(LAYERS), damages(), min_size=1), failed=st.booleans())
def test_no_truncation_and_no_changed_bit_is_ever_taken_for_the_data(hurt, failed):
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        store = _store(folder)
        for number in range(1, 6):
            store.save(_document(number))
        if failed:
            _fail(store, 6)
        newest = {backup.kind: backup.path for backup in reversed(store.backups())}
        for layer, damage in hurt.items():
            path = newest.get(layer.removeprefix("newest "), folder / layer)
            if path.exists():
                _rot(path, _damaged(path.read_bytes(), damage))
        data = _store(folder).load()
        assert data is not None
        intact_checksums = "backups/checksums" not in hurt
        if failed and "data.emergency.json" not in hurt:
            assert data == json.loads(_document(6))
        elif intact_checksums and len(set(hurt) - {"data.emergency.json"}) < 2:
            assert data == json.loads(_document(5))
        elif intact_checksums:
            assert data in [json.loads(_document(number)) for number in (3, 4, 5)]
        # What was found is in its place again: the next start needs no recovery.
        again = _store(folder)
        assert again.load() == data
        assert again._recoveries == 0


@settings(max_examples=150, deadline=None)
@given(damage=damages(), kind=st.sampled_from(["timestamped", "compressed"]))
def test_a_damaged_backup_is_passed_over_for_the_next_one(damage, kind):
    with tempfile.TemporaryDirectory(dir=MEMORY) as name:
        folder = Path(name)
        store = _store(folder)
        for number in range(1, 6):
            store.save(_document(number))
        (folder / "data.json").unlink()
        for backup in store.backups():
            if backup.kind == kind:
                _rot(backup.path, _damaged(backup.path.read_bytes(), damage))
        assert _store(folder).load() == json.loads(_document(5))
