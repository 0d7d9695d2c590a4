"""Killed at any system call, the program finds what was last acknowledged again, or what was in flight."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from bot_modules.backup_system import Store
from bot_modules.database import DataManager, SaveFailedError
from bot_modules.recovery import content_of
from bot_modules.settings import Settings
from fix_nightly import NIGHTLY

from tests.unit.bot_modules import fix_ptrace

# Odd, as stops are entries and ends of calls by turns. The saves of a life are alike, and of no length that is divided by
# these: each of a save's stops has its turn in one of them.
EACH, EACH_OF_FEW = (1, 1) if NIGHTLY else (7, 3)
KEEP = 2
FILLING = "x" * 3000


def _store(folder: Path) -> Store:
    return Store(folder / "data.json", Settings(keep_backups=KEEP, emergency_dir=folder / "second"))


async def _save(manager: DataManager, number: int, say: int) -> None:
    os.write(say, f"flight {number}\n".encode())
    try:
        await manager.save({"n": number, "filling": FILLING})
    except SaveFailedError as error:
        if error.kept is None:
            return
    os.write(say, f"kept {number}\n".encode())


def seven_saves(folder: Path) -> Callable[[int], None]:
    """With a compressed backup, and clean-up from the third on."""

    async def live(say: int) -> None:
        manager = DataManager(folder / "data.json", settings=Settings(keep_backups=KEEP))
        await manager.load()
        fix_ptrace.begin()
        for number in range(1, 8):
            await _save(manager, number, say)

    return lambda say: asyncio.run(live(say))


def saves_that_fail_and_heal(folder: Path) -> Callable[[int], None]:
    """Of eight saves the third to the sixth fail, the fifth and sixth beside the main file as well."""

    async def live(say: int) -> None:
        manager = DataManager(
            folder / "data.json", settings=Settings(keep_backups=KEEP, emergency_dir=folder / "second")
        )
        await manager.load()
        fix_ptrace.begin()
        for number in range(1, 9):
            if number == 3:
                (folder / ".data.json.new").mkdir()
            if number == 5:
                (folder / ".data.emergency.json.new").mkdir()
            if number == 7:
                (folder / ".data.json.new").rmdir()
                (folder / ".data.emergency.json.new").rmdir()
            await _save(manager, number, say)

    return lambda say: asyncio.run(live(say))


def _numbers(said: bytes) -> tuple[int, int]:
    """The last number that was kept, and the one in flight."""
    lines = [line.split() for line in said.decode().splitlines()]
    kept = max((int(number) for word, number in lines if word == "kept"), default=0)
    return kept, max((int(number) for word, number in lines if word == "flight"), default=0)


def _unblocked(folder: Path) -> None:
    """What stood in for a failing disk is gone: the disk works again at the next start."""
    for name in (".data.json.new", ".data.emergency.json.new"):
        if (folder / name).is_dir():
            (folder / name).rmdir()


def _loaded_number(folder: Path) -> int:
    data = _store(folder).load()
    if data is None:
        return 0
    assert data["filling"] == FILLING
    return int(data["n"])


@pytest.mark.parametrize("life", [seven_saves, saves_that_fail_and_heal])
def test_a_kill_at_any_system_call_of_a_save_loses_nothing(fast_folder, life):
    whole = fix_ptrace.watch(life(_new(fast_folder)))
    assert whole.exit_code == 0, whole.said.decode()
    assert whole.stops >= 600
    for stop in range(1, whole.stops + 1, EACH):
        folder = _new(fast_folder)
        seen = fix_ptrace.watch(life(folder), kill_at=stop)
        assert seen.exit_code in (0, -9), seen.said.decode()
        kept, in_flight = _numbers(seen.said)
        _unblocked(folder)
        assert _loaded_number(folder) in (kept, in_flight), f"killed at stop {stop}"
        assert not list(folder.rglob("*damaged*")), f"a kill at stop {stop} left something damaged"
        _goes_on(folder, in_flight)


def _goes_on(folder: Path, number: int) -> None:
    """The next start loads, saves, and every backup validates."""
    store = _store(folder)
    store.load()
    store.save(b'{"n": %d, "filling": "%s"}' % (number + 1, FILLING.encode()))
    assert _loaded_number(folder) == number + 1
    assert all(content_of(backup, store._known) for backup in store.backups())
    assert not (folder / "data.emergency.json").exists()


def test_a_kill_at_any_system_call_of_a_recovery_loses_nothing(fast_folder):
    def recovery(folder: Path) -> Callable[[int], None]:
        def live(say: int) -> None:
            fix_ptrace.begin()
            os.write(say, f"kept {_loaded_number(folder)}\n".encode())

        return live

    for damage in ("main is old", "main is damaged", "main and emergency are damaged"):
        template = _new(fast_folder / damage)
        store = _store(template)
        for number in (1, 2, 3):
            store.save(b'{"n": %d, "filling": "%s"}' % (number, FILLING.encode()))
        (template / ".data.json.new").mkdir()
        if damage != "main and emergency are damaged":
            with pytest.raises(SaveFailedError):
                store.save(b'{"n": 4, "filling": "%s"}' % FILLING.encode())
        else:
            (template / "data.emergency.json").write_bytes(b"{")
        (template / ".data.json.new").rmdir()
        if damage != "main is old":
            (template / "data.json").write_bytes(b'{"n": 9')
        expected = 3 if damage == "main and emergency are damaged" else 4

        whole = fix_ptrace.watch(recovery(_new(fast_folder, template)))
        assert whole.stops >= 100
        assert whole.said == b"kept %d\n" % expected
        for stop in range(1, whole.stops + 1, EACH_OF_FEW):
            folder = _new(fast_folder, template)
            fix_ptrace.watch(recovery(folder), kill_at=stop)
            assert _loaded_number(folder) == expected, f"{damage}, killed at stop {stop}"
            if damage != "main is old":
                assert b'{"n": 9' in [path.read_bytes() for path in folder.rglob("*damaged*")]


def test_a_save_is_acknowledged_after_file_and_folder_are_synced(fast_folder):
    folder = _new(fast_folder)

    def life(say: int) -> None:
        store = _store(folder)
        store.load()
        fix_ptrace.begin()
        store._write_main(b"{}", "", {})
        os.write(say, b"done")

    calls = [call for call in fix_ptrace.watch(life).calls if call in ("write", "fsync", "rename")]
    # file, checksums (a help, not synced), the name of the file, the folder; then the caller hears of it
    assert calls == ["write", "fsync", "write", "rename", "rename", "fsync", "write"]


def _new(root: Path, template: Path | None = None) -> Path:
    folder = root / "life"
    shutil.rmtree(folder, ignore_errors=True)
    if template is None:
        folder.mkdir(parents=True)
        return folder
    shutil.copytree(template, folder, copy_function=shutil.copy2)
    return folder
