"""Each system call of a save fails once, as a broken disk makes it; a full disk; a folder that cannot be written."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from bot_modules.backup_system import Store
from bot_modules.errors import SaveFailedError
from bot_modules.settings import Settings
from fix_nightly import NIGHTLY

from tests.unit.bot_modules import fix_ptrace

SERVICE = Path(__file__).resolve().parents[3] / "services" / "bot"
# Six saves that are alike: each of a save's calls fails in one of them.
EACH = 1 if NIGHTLY else 7
OF_THE_DISK = ("open", "write", "fsync", "rename", "close", "link", "unlink", "mkdir", "getdents", "stat")


def _document(number: int, size: int = 100) -> bytes:
    return json.dumps({"n": number, "filling": "x" * size}).encode()


def _save_six(folder: Path, say: int) -> None:
    store = Store(folder / "data.json", Settings(keep_backups=2, emergency_dir=folder / "second"))
    store.load()
    outcomes = []
    fix_ptrace.begin()
    for number in range(1, 7):
        try:
            store.save(_document(number))
        except SaveFailedError as error:
            outcomes.append("safe" if error.kept else "lost")
        else:
            outcomes.append("safe")
    os.write(say, " ".join(outcomes).encode())


@pytest.mark.skipif(not fix_ptrace.CAN_LIE, reason="changing the outcome of a system call is written for x86_64")
@pytest.mark.parametrize("error", [errno.EIO, errno.ENOSPC])
def test_whatever_system_call_fails_what_was_acknowledged_is_loaded(fast_folder, error):
    whole = fix_ptrace.watch(lambda say: _save_six(_new(fast_folder), say))
    assert whole.said == b" ".join([b"safe"] * 6)
    tried = [n for n, name in enumerate(whole.calls[:-2], 1) if name in OF_THE_DISK]
    assert len(tried) >= 150  # without the last two: what it says to the test, and its end
    for failing in tried[error % EACH :: EACH]:
        seen = fix_ptrace.watch(
            lambda say: _save_six(_new(fast_folder), say),
            fail=lambda name, n, failing=failing: error if n == failing and name in OF_THE_DISK else 0,
        )
        assert seen.exit_code == 0, f"call {failing}, {whole.calls[failing - 1]}: {seen.said.decode()}"
        assert seen.said == b" ".join([b"safe"] * 6), (
            f"call {failing}, {whole.calls[failing - 1]}: {seen.said.decode()}"
        )
        folder = fast_folder / "life"
        data = Store(folder / "data.json", Settings(emergency_dir=folder / "second")).load()
        assert data
        assert data["n"] == 6, f"call {failing}, {whole.calls[failing - 1]}"


def _new(root: Path) -> Path:
    folder = root / "life"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    return folder


def _fill(path: Path) -> None:
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while file.write(b"x" * 4096):
            pass
    assert shutil.disk_usage(path.parent).free == 0


def test_a_full_disk_fails_saves_whose_data_is_safe_elsewhere_until_there_is_room(small_disk, tmp_path):
    folder = small_disk / "json"
    folder.mkdir()
    settings = Settings(keep_backups=3, emergency_dir=tmp_path / "second")
    store = Store(folder / "data.json", settings)
    ballast = folder / "ballast"
    store.save(_document(1, 200_000))
    _fill(ballast)
    for number in (2, 3):
        with pytest.raises(SaveFailedError) as failed:
            store.save(_document(number, 200_000))
        assert failed.value.errno == errno.ENOSPC
        assert failed.value.kept == tmp_path / "second" / "data.emergency.json"
        data = Store(folder / "data.json", settings).load()
        assert data
        assert data["n"] == number
        assert json.loads((folder / "data.json").read_bytes())["n"] == 1
        assert not list(folder.glob(".*.new"))
    ballast.unlink()
    store.save(_document(4, 200_000))
    assert not list(tmp_path.rglob("data.emergency.json"))
    data = Store(folder / "data.json", settings).load()
    assert data
    assert data["n"] == 4


def test_a_disk_that_slowly_fills_never_loses_the_last_acknowledged_save(small_disk):
    folder = small_disk / "json"
    folder.mkdir()
    store = Store(folder / "data.json", Settings(keep_backups=20))
    kept = 0
    failures = 0
    for number in range(1, 40):
        try:
            store.save(_document(number, 20_000 * number))
            kept = number
        except SaveFailedError as error:
            failures += 1
            kept = number if error.kept else kept
        data = Store(folder / "data.json", Settings()).load()
        assert data
        assert data["n"] == kept
    assert failures


AS_NOBODY = """
import sys, logging
from pathlib import Path
from bot_modules.backup_system import Store
from bot_modules.errors import SaveFailedError
from bot_modules.settings import Settings
logging.disable()
folder, second, number = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
store = Store(folder / "data.json", Settings(emergency_dir=second))
data = store.load()
print(data and data["n"])
try:
    store.save(b'{"n": %d}' % number)
    print("saved")
except SaveFailedError as error:
    print(error.strerror, error.kept)
"""


def test_a_folder_that_cannot_be_written_puts_the_data_into_the_second_place(open_folder):
    folder, second = open_folder / "json", open_folder / "second"
    for each in (folder, second):
        each.mkdir()
        each.chmod(0o777)

    def run(number: int) -> list[str]:
        python, user = sys.executable, None
        if os.geteuid() == 0:  # root writes everywhere
            python, user = "/usr/bin/python3", 65534
        done = subprocess.run(
            [python, "-c", AS_NOBODY, str(folder), str(second), str(number)],
            env={"PYTHONPATH": str(SERVICE)}, capture_output=True, text=True, check=True, user=user,
        )  # fmt: skip
        return done.stdout.splitlines()

    assert run(1) == ["None", "saved"]
    folder.chmod(0o555)
    assert run(2) == ["1", f"Permission denied {second}/data.emergency.json"]
    assert run(3) == ["2", f"Permission denied {second}/data.emergency.json"]
    second.chmod(0o555)
    assert run(4) == ["3", "Permission denied None"]
    second.chmod(0o777)
    folder.chmod(0o777)
    assert run(5) == ["3", "saved"]
    assert list(second.iterdir()) == []
    assert run(6) == ["5", "saved"]


def test_a_folder_that_is_gone_leaves_the_data_in_the_second_place(tmp_path):
    folder = tmp_path / "json"
    folder.mkdir()
    settings = Settings(emergency_dir=tmp_path / "second")
    store = Store(folder / "data.json", settings)
    store.save(_document(1))
    shutil.rmtree(folder)
    with pytest.raises(SaveFailedError) as failed:
        store.save(_document(2))
    assert failed.value.kept
    data = Store(folder / "data.json", settings).load()
    assert data
    assert data["n"] == 2
    folder.mkdir()
    store.save(_document(3))
    data = Store(folder / "data.json", settings).load()
    assert data
    assert data["n"] == 3


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that another user may enter."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)
