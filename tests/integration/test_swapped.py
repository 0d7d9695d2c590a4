"""A file that is swapped for a link, a FIFO or an endless one while runs read it: no run waits, and nothing of what it leads
to gets into the mirror."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fix_source import Source
from restoring import fill

from mirror import safe_files

SECRET = '{"password": "of the target"}'
ATTEMPTS = 3000

# rename(2) puts one in the place of the other at once, so that the name is always there.
SWAPPER = """
import itertools, os, sys
place, secret, kinds = sys.argv[1], sys.argv[2], sys.argv[3:]
print("ready", flush=True)
for number in itertools.count():
    spare = f"{place}.{number % 2}.tmp"
    kind = kinds[number % len(kinds)]
    if kind == "file":
        with open(spare, "w") as file:
            file.write('{"mine": 1}')
    elif kind == "fifo":
        os.mkfifo(spare)
    elif kind == "secret":
        os.symlink(secret, spare)
    else:
        os.symlink("/dev/zero", spare)
    os.rename(spare, place)
"""


@contextmanager
def swapped(place: Path, secret: Path, *kinds: str) -> Iterator[None]:
    """Another process does nothing else."""
    process = subprocess.Popen(
        [sys.executable, "-c", SWAPPER, str(place), str(secret), *kinds], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "secret.json"
    path.write_text(SECRET)
    return path


def test_a_file_that_is_swapped_thousands_of_times_is_itself_or_refused(tmp_path: Path, secret: Path) -> None:
    (tmp_path / "json").mkdir()
    place = tmp_path / "json" / "x.json"
    found = dict.fromkeys(('{"mine": 1}', "refused"), 0)
    deadline = time.monotonic() + 120
    with swapped(place, secret, "file", "fifo", "file", "secret", "file", "zero"):
        while (sum(found.values()) < ATTEMPTS or not all(found.values())) and time.monotonic() < deadline:
            try:
                what = safe_files.read_text(place)
            except safe_files.Refused:
                what = "refused"
            except FileNotFoundError:  # before the first one
                continue
            found[what] = found.get(what, 0) + 1
    assert found.keys() == {'{"mine": 1}', "refused"}
    assert all(found.values())


def test_runs_that_read_what_is_swapped_come_to_their_end_and_mirror_the_others(source: Source, secret: Path) -> None:
    fill(source)
    (source.json / "good.json").write_text("{}")
    with swapped(source.json / "x.json", secret, "file", "fifo", "secret", "zero"):
        done = subprocess.run(
            source.command("once"), env=source.process_environ, capture_output=True, text=True, timeout=120
        )
    assert done.returncode in (0, 3), done.stdout + done.stderr
    state = source.read_state()
    assert [database.file for database in state.databases] == ["bot.db"]
    assert "good.json" in [document.file for document in state.documents]
    [(leaked,)] = source.target.query(
        "SELECT count(*) FROM sidemirror.document_chunks WHERE position('of the target'::bytea IN bytes) > 0"
    )
    assert leaked == 0
