"""The sign of life: it goes on through long work, and not for ever."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from backup import alive
from backup.alive import Beat, heard
from backup.config import BackupSettings


def settings(state_dir: Path) -> BackupSettings:
    return BackupSettings.model_construct(state_dir=state_dir)


def test_it_beats_while_the_main_loop_is_busy_and_no_longer_when_it_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert heard(tmp_path) is None
    beat = Beat(lambda: settings(tmp_path))
    beat.beat()
    assert (heard(tmp_path) or 0) < 5
    started = time.monotonic()
    # The file's time is then when the main loop last came round, which here was at the start.
    monkeypatch.setattr(alive.time, "time", lambda: 1000.0)
    beat.came_round()
    monkeypatch.undo()
    monkeypatch.setattr(alive.time, "monotonic", lambda: started + alive.HANGS_SECONDS - 5)
    beat.beat()
    assert (heard(tmp_path) or 0) < 5
    monkeypatch.setattr(alive.time, "monotonic", lambda: started + alive.HANGS_SECONDS + 5)
    beat.beat()
    assert alive.last_beat(tmp_path) == 1000.0
    beat.came_round()
    beat.beat()
    assert (heard(tmp_path) or 0) < 5


def test_a_folder_that_cannot_be_written_to_ends_nothing(tmp_path: Path) -> None:
    Beat(lambda: settings(tmp_path / "nowhere")).beat()
    assert heard(tmp_path / "nowhere") is None
