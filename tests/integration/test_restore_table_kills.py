"""Killed at any system call of a single table's restore, the file is old or new, and the kept copy is the old one."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from fix_source import Source
from restoring import described, fill

from mirror.part import part_of
from mirror.rebuild import rebuild
from mirror.target import connected, reading
from restore.plan import TablesStep
from restore.tables import Part, all_put
from tests.unit.bot_modules import fix_ptrace


def restored_part(source: Source, folder: Path) -> Part:
    """The rows of the tables at the first restore point in a file of their own, and where they go."""
    [database] = source.read_state(1).databases
    step = TablesStep(database, folder / "bot.db", ("t", "k"))
    with connected(source.settings) as connection, reading(connection) as cursor:
        rebuild(cursor, part_of(database, step.names), source.folder / "scratch.db", 1, 1)
    return Part(step, source.folder / "scratch.db", folder / "kept" / "bot.db")


def program(part: Part) -> Callable[[int], None]:
    def put(_: int) -> None:
        fix_ptrace.begin()
        with all_put([part], allow_violations=False) as commit:
            commit()

    return put


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
def test_at_every_system_call(mode: str, source: Source, tmp_path: Path) -> None:
    fill(source, mode)
    source.run()
    source.write(
        "UPDATE t SET a = 'newer' WHERE id > 20; DELETE FROM k; CREATE TABLE other (a); INSERT INTO other VALUES (1)"
    )
    place = tmp_path / "place"
    part = restored_part(source, place)
    before = source.sqlite / "bot.db"
    old = described(before, tmp_path / "old.db")

    def killed_at(stop: int) -> fix_ptrace.Watched:
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        shutil.copy(before, place / "bot.db")
        return fix_ptrace.watch(program(part), kill_at=stop)

    whole = killed_at(0)
    assert (whole.exit_code, whole.said) == (0, b"")
    new = described(place / "bot.db", tmp_path / "new.db")
    assert new["tables"][b"other"] == old["tables"][b"other"]
    assert [name for name in new["tables"] if new["tables"][name] != old["tables"][name]] == [b"t", b"k"]
    found = []
    for stop in range(1, whole.stops, max(1, whole.stops // 150)):
        assert killed_at(stop).exit_code == -9
        content = described(place / "bot.db", tmp_path / "found.db")
        assert content in (old, new), f"at stop {stop}"
        found.append(content == new)
        if part.kept.exists():
            assert described(part.kept, tmp_path / "kept.db") == old
        assert part.kept.exists() or content == old, "what was there is kept before anything is committed"
    assert found == sorted(found), "once it is committed it stays so"
    assert {True, False} == set(found)
