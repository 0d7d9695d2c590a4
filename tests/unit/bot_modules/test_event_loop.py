"""What a 10 MB document costs the event loop; documents in pieces; thousands of saves under the eyes of readers."""

from __future__ import annotations

import asyncio
import gc
import json
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from bot_modules import other_process, pieces
from bot_modules.codec import SMALL, Frozen, thaw
from bot_modules.database import DataManager, UnsavableDataError
from bot_modules.encoding import encode
from bot_modules.settings import Settings
from fix_nightly import NIGHTLY
from hypothesis import given
from hypothesis import strategies as st

SHARE = 1 / 2
"""A stall may be this share of what encoding or parsing takes in this process, in the same run. It is a tenth on a machine
that is quiet, a quarter on one that is not."""


def ten_megabytes() -> dict[str, Any]:
    users = {
        str(n): {
            "name": f"user {n}",
            "language": "en",
            "gifts": [n, n + 1],
            "premium": n % 2 == 0,
            "bio": "Käse 🎁 " * 7,
        }
        for n in range(57_000)
    }
    return {"version": 1, "users": users}


async def _stalls_during(work: Awaitable[object]) -> list[float]:
    """How late the loop was, each time that it had something to do."""
    late = []
    done = asyncio.ensure_future(work)
    while not done.done():
        due = time.perf_counter() + 0.001
        await asyncio.sleep(0.001)
        late.append(time.perf_counter() - due)
    await done
    return late


def _seconds(work: Callable[[], object]) -> float:
    """The best of three times: a machine that is busy otherwise slows everything."""
    times = []
    for _ in range(3):
        began = time.perf_counter()
        work()
        times.append(time.perf_counter() - began)
    return min(times)


def test_the_loop_goes_on_while_ten_megabytes_are_saved_and_loaded(tmp_path):
    data = ten_megabytes()
    content = encode(data)
    assert 9e6 < len(content) < 12e6
    gc.disable()  # Python's own search for garbage among a million objects is not what is measured

    async def measure() -> tuple[float, float]:
        manager = DataManager(tmp_path / "data.json", settings=Settings())
        saves = [max(await _stalls_during(manager.save(data))) for _ in range(3)]
        loads = [
            max(await _stalls_during(DataManager(tmp_path / "data.json", settings=Settings()).load())) for _ in range(3)
        ]
        assert (await manager.load()) == data
        return min(saves), min(loads)

    try:
        encoding, parsing = _seconds(lambda: encode(data)), _seconds(lambda: json.loads(content))
        worst_save, worst_load = asyncio.run(measure())
    finally:
        gc.enable()
    print(
        f"save {worst_save * 1000:.1f} of {encoding * 1000:.0f} ms, load {worst_load * 1000:.1f} of {parsing * 1000:.0f} ms"
    )
    assert worst_save < encoding * SHARE
    assert worst_load < parsing * SHARE


def test_a_large_document_is_saved_as_it_was_at_the_call(tmp_path):
    async def use() -> None:
        manager = DataManager(tmp_path / "data.json", settings=Settings())
        data = {"filling": ["x" * 100] * 5000, "n": 0}
        saves = []
        for number in range(5):
            data["n"] = number
            saves.append(asyncio.ensure_future(manager.save(data)))
            await asyncio.sleep(0)
        data["n"] = 99
        await asyncio.gather(*saves)
        kept = [
            json.loads(backup.path.read_bytes())["n"]
            for backup in await manager.backups()
            if backup.kind == "timestamped"
        ]
        assert kept == [4, 3, 2, 1, 0]

    asyncio.run(use())


@pytest.mark.parametrize("wrong", [{1, 2}, b"bytes", float("nan"), {1: 2}, 1j, chr(0xD83D) + chr(0xDE00)])
def test_a_large_document_with_what_json_cannot_hold_is_refused_with_the_place(wrong):
    with pytest.raises(UnsavableDataError, match=r"data\['here'\]"):
        Frozen({"filling": "x" * SMALL * 2, "here": wrong}).content()


def test_a_large_document_that_contains_itself_is_refused():
    data: dict[str, Any] = {"filling": "x" * SMALL * 2}
    data["again"] = data["and again"] = data
    with pytest.raises(UnsavableDataError, match="contains itself"):
        Frozen(data).content()


def test_a_large_document_with_dicts_of_another_class_is_encoded_all_the_same():
    data = {"filling": "x" * SMALL * 2, "counts": defaultdict(int, a=1)}
    assert json.loads(Frozen(data).content()) == data


@pytest.mark.parametrize("python", ["", "/nowhere/python3", "/bin/false", "/bin/echo"])
def test_without_another_process_the_work_is_done_here(monkeypatch, python):
    data = {"filling": ["x"] * SMALL}
    monkeypatch.setattr(sys, "executable", python)
    content = Frozen(data).content()
    assert content == encode(data)
    assert thaw(content) == data
    with pytest.raises(ValueError, match="is not JSON"):
        thaw(content[:-1])


def test_no_process_is_left_behind(tmp_path):
    path = Path(f"/proc/self/task/{threading.get_native_id()}/children")
    before = path.read_text()
    assert thaw(Frozen({"filling": ["x"] * SMALL}).content())
    assert path.read_text() == before


def test_damage_in_a_large_document_is_told_in_plain_words():
    with pytest.raises(ValueError, match="is not JSON"):
        thaw(b'{"a": "' + b"x" * SMALL)
    with pytest.raises(ValueError, match="holds a list, not an object"):
        thaw(b"[" + b"1," * SMALL + b"1]")
    with pytest.raises(ValueError, match="NaN is no number"):
        thaw(b'{"a": NaN' + b" " * SMALL + b"}")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=40,
)


@given(value=VALUES, limit=st.integers(1, 60))
def test_a_document_in_pieces_is_the_same_document(value, limit):
    before, pieces.LIMIT = pieces.LIMIT, limit
    try:
        stream = b"".join(pieces.split(value))
    finally:
        pieces.LIMIT = before
    place = 0

    def read(count: int) -> bytes:
        nonlocal place
        place += count
        return stream[place - count : place]

    assert repr(pieces.join(read, lambda: None)) == repr(value)
    assert place == len(stream)


READER = """
import json, sys
from pathlib import Path
path, stop = Path(sys.argv[1]), Path(sys.argv[2])
seen, last = 0, -1
while not stop.exists():
    data = json.loads(path.read_bytes())
    assert data["filling"] == [data["n"]] * (data["n"] % 50), data
    assert data["n"] >= last, (data["n"], last)
    seen, last = seen + (data["n"] > last), data["n"]
print(seen)
"""


SAVES = 1 + 101 * (99 if NIGHTLY else 20)


def test_thousands_of_saves_are_seen_whole_and_in_order_by_readers(fast_folder):
    path, stop = fast_folder / "data.json", fast_folder / "stop"
    manager = DataManager(path, settings=Settings(keep_backups=5))
    asyncio.run(manager.save({"n": 0, "filling": []}))

    async def save_many() -> None:
        for start in range(1, SAVES, 101):
            saves = [
                asyncio.ensure_future(manager.save({"n": n, "filling": [n] * (n % 50)}))
                for n in range(start, start + 101)
            ]
            await asyncio.sleep(0)
            assert (await manager.load())["n"] == start + 100
            await asyncio.gather(*saves)

    command = [sys.executable, "-c", READER, str(path), str(stop)]
    readers = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    try:
        asyncio.run(save_many())
    finally:
        stop.touch()
        said = [reader.communicate(timeout=30) for reader in readers]
    assert [error for _, error in said] == ["", ""]
    assert all(int(seen) > 10 for seen, _ in said)
    told = asyncio.run(manager.statistics())
    assert (told.saves, told.failures, told.timestamped, told.compressed) == (SAVES, 0, 5, 5)
    assert len(list((fast_folder / "backups").iterdir())) == 5 + 5 + 1  # and the checksums


def test_the_other_process_imports_nothing_of_the_bot(tmp_path, monkeypatch):
    (tmp_path / "json.py").write_text("raise SystemExit('the bot has a module of this name')")
    (tmp_path / "sitecustomize.py").write_text("raise SystemExit('and one of this')")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setenv("PYTHONSTARTUP", str(tmp_path / "json.py"))
    data = {"filling": ["x"] * SMALL}
    with other_process.done_elsewhere("parse", encode(data)) as outcome:
        assert pieces.join(outcome.read, lambda: None) == data
