"""events.jsonl: whole lines whatever happens, never more than a bounded size, and never an error for a run."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from backup import events, remember
from backup.events import Event
from backup.outcome import Outcome, Trouble

WRITER = """
import sys
from pathlib import Path
from backup import events
folder, name = Path(sys.argv[1]), sys.argv[2]
for number in range(int(sys.argv[3])):
    events.append(folder, events.happened("Test", name, f"{number} " + "x" * 300))
    print(number, flush=True)
"""


def numbered(number: int, size: int = 0) -> Event:
    return Event(f"2026-01-01T00:00:{number % 60:02d}+00:00", "Test", "t", f"{number} {'x' * size}", "do it")


def writer(folder: Path, name: str, count: int) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", WRITER, str(folder), name, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_events_come_back_in_order_with_every_field(tmp_path: Path) -> None:
    written = [numbered(1), Event("a", "SourceCorrupt", "ä\n.db", "what\x00", "", ended="b"), numbered(3)]
    events.append(tmp_path, *written[:2])
    events.append(tmp_path, written[2])
    assert events.read(tmp_path) == tuple(written)
    assert events.read(tmp_path, newest=1) == (written[2],)
    lines = (tmp_path / events.EVENTS_FILE).read_text(encoding="utf-8").splitlines()
    assert len(lines) == 3
    assert json.loads(lines[0]) == {
        "at": "2026-01-01T00:00:01+00:00", "kind": "Test", "subject": "t", "what": "1 ", "hint": "do it",
    }  # fmt: skip


def test_it_never_grows_beyond_its_bound_and_keeps_the_newest(tmp_path: Path) -> None:
    for number in range(1500):
        events.append(tmp_path, numbered(number, 1000))
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size < 2 * events.MOST_BYTES + 10_000
    found = [int(event.what.split()[0]) for event in events.read(tmp_path, newest=10_000)]
    assert found == list(range(1500 - len(found), 1500))
    assert len(found) > 400


def test_a_very_long_text_is_cut(tmp_path: Path) -> None:
    events.append(tmp_path, numbered(1, 1_000_000))
    assert len(events.read(tmp_path)[0].what) == events.MOST_CHARACTERS


def test_processes_beside_each_other_lose_nothing(tmp_path: Path) -> None:
    writers = [writer(tmp_path, str(number), 50) for number in range(4)]
    for one in writers:
        assert one.wait(60) == 0
        assert one.stdout
        one.stdout.close()
    found = events.read(tmp_path)
    for number in range(4):
        assert [int(e.what.split()[0]) for e in found if e.subject == str(number)] == list(range(50))


def test_what_was_written_before_a_kill_is_there(tmp_path: Path) -> None:
    for number in range(10):
        process = writer(tmp_path, str(number), 1_000_000)
        assert process.stdout
        for _ in range(5 + number):
            done = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        process.wait(10)
        process.stdout.close()
        mine = [int(event.what.split()[0]) for event in events.read(tmp_path) if event.subject == str(number)]
        assert mine[: done + 1] == list(range(done + 1))
        assert mine == list(range(len(mine)))


@pytest.fixture
def full(small_disk: Path) -> Path:
    """A folder on a disk with no byte left but what `ballast` holds."""
    ballast = small_disk / "ballast"
    ballast.write_bytes(b"")
    events.append(small_disk, numbered(0))
    with ballast.open("ab", buffering=0) as file:
        try:
            while file.write(b"x" * 4096):
                pass
        except OSError:
            pass
    return small_disk


def test_a_full_disk_costs_the_event_and_nothing_else(full: Path) -> None:
    for number in range(1, 40):
        events.append(full, numbered(number, 1000))  # raises nothing
    kept = events.read(full)
    assert kept[0] == numbered(0)
    (full / "ballast").unlink()
    events.append(full, numbered(99))
    found = events.read(full)
    assert found == (*kept, numbered(99)), "what was there is whole, and what comes now is there"


def test_lines_that_were_cut_or_are_of_another_version_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / events.EVENTS_FILE
    path.write_bytes(b'{"at": "x", "kind": "K", "subj')
    events.append(tmp_path, numbered(1))
    with path.open("ab") as file:
        file.write(b'\xff\xfe\n[1]\n{"at": 5, "kind": "K", "subject": "s", "what": "w"}\nnull\n')
        file.write(b'{"at": "a", "kind": "K", "subject": "s", "what": "w", "colour": "of the future"}\n')
    assert events.read(tmp_path) == (numbered(1), Event("a", "K", "s", "w"))


def test_a_folder_that_is_not_there_costs_nothing(tmp_path: Path) -> None:
    events.append(tmp_path / "nowhere", numbered(1))
    assert events.read(tmp_path / "nowhere") == ()


def trouble(subject: str, kind: str, since: str = "t0") -> Trouble:
    return Trouble(subject, f"{subject} is wrong", "mend it", since, kind)


def test_a_trouble_is_one_event_when_it_begins_and_one_when_it_ends() -> None:
    calm = Outcome(tried_at="t1")
    wrong = Outcome(tried_at="t2", troubles=(trouble("a.db", "SourceCorrupt", "t2"),))
    assert list(remember.changes(calm, wrong)) == [Event("t2", "SourceCorrupt", "a.db", "a.db is wrong", "mend it")]
    assert list(remember.changes(wrong, wrong)) == []
    ended = Event("t2", "SourceCorrupt", "a.db", "a.db is wrong", ended="t3")
    assert list(remember.changes(wrong, Outcome(tried_at="t3"))) == [ended]
    other = Outcome(tried_at="t3", troubles=(trouble("a.db", "GuardHeld", "t2"),))
    assert list(remember.changes(wrong, other)) == [ended, Event("t3", "GuardHeld", "a.db", "a.db is wrong", "mend it")]
