"""The page's pure parts: words, projections, differences, the brake on passwords."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from backup import events
from backup.events import Event
from backup.page import words
from backup.page.difference import MOST_LINES, difference
from backup.page.documents import MOST_LAID_OUT, laid_out_size
from backup.page.history import happenings
from backup.page.login import MOST_CLIENTS, MOST_SESSIONS, SESSION_SECONDS, Login
from backup.page.series import DAY, projection

NOW = 1_000_000_000.0


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (None, "-"),
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (8_900_000, "8.9 MB"),
        (-2e6, "-2.0 MB"),
        (5e9, "5.0 GB"),
    ],
)
def test_sizes_in_words(count: float | None, told: str) -> None:
    assert words.size(count) == told


def test_times_of_a_sentence_become_elements_and_the_rest_is_escaped() -> None:
    told = str(words.sentence("Safe: <b> up to 2026-11-22T01:45:32+00:00 (1 s ago).", NOW))
    assert '<time datetime="2026-11-22T01:45:32+00:00">' in told
    assert "&lt;b&gt;" in told
    assert f'(<span data-since="{int(NOW)}">1 s ago</span>)' in told


@pytest.mark.parametrize("at", ["yesterday", "<script>", 1e300, "9999999"])
def test_a_time_that_is_none_is_shown_as_it_is_escaped(at: str | float) -> None:
    assert "<script>" not in str(words.moment(at))


@pytest.fixture
def view() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute("CREATE TABLE sizes (at REAL, bytes INTEGER)")
        yield connection


def grow(view: sqlite3.Connection, a_day: float, days: int = 10) -> None:
    view.executemany("INSERT INTO sizes VALUES (?, ?)", [(NOW - n * DAY, 100e6 - n * a_day) for n in range(days)])


def test_a_target_that_grows_is_full_when_the_line_says_so(view: sqlite3.Connection) -> None:
    grow(view, 10e6)
    found = projection(view, 500_000_000, NOW)
    assert found is not None
    assert found.bytes_a_day == pytest.approx(10e6)
    assert found.full_at == pytest.approx(NOW + 40 * DAY)


@pytest.mark.parametrize("a_day", [0.0, -1e6, 1.0])
def test_a_target_that_does_not_grow_to_speak_of_is_never_full(view: sqlite3.Connection, a_day: float) -> None:
    grow(view, a_day)
    found = projection(view, 500_000_000, NOW)
    assert found is not None
    assert found.full_at is None


def test_an_hour_is_the_least_to_say_how_it_grows(view: sqlite3.Connection) -> None:
    assert projection(view, 500, NOW) is None
    view.executemany("INSERT INTO sizes VALUES (?, ?)", [(NOW - 60, 1), (NOW, 2)])
    assert projection(view, 500, NOW) is None


def marks(before: list[str], after: list[str]) -> str:
    return "".join(line.mark for line in difference("\n".join(before), "\n".join(after)))


def test_a_difference_shows_what_went_and_came_with_its_surroundings() -> None:
    same = [f"line {n}" for n in range(20)]
    assert marks([*same, "old", *same], [*same, "new", *same]) == "…   -+   …"
    assert marks(same, same) == ""
    assert marks([], ["new"]) == "+"
    numbers = [(line.before, line.after) for line in difference("a\nb\nc", "a\nc") if line.mark != "…"]
    assert numbers == [(1, 1), (2, None), (3, 2)]


def test_a_difference_of_everything_takes_no_time() -> None:
    count = MOST_LINES * 4
    began = time.monotonic()
    found = difference("\n".join("}," for _ in range(count)), "\n".join("{" + str(n) for n in range(count)))
    assert len(found) == 2 * count
    assert time.monotonic() - began < 5


def test_the_brake_lets_go_after_a_minute_and_sessions_end() -> None:
    clock = [0.0]
    login = Login("right", lambda: clock[0])
    assert [login.try_password("wrong") for _ in range(6)] == [0, 0, 0, 0, 0, 60]
    clock[0] = 59.5
    assert login.try_password("right") == 1
    clock[0] = 60.0
    assert login.try_password("right") is None
    tokens = [login.open_session() for _ in range(MOST_SESSIONS + 1)]
    assert (login.knows(tokens[0]), login.knows(tokens[-1]), login.knows("")) == (False, True, False)
    clock[0] += SESSION_SECONDS + 1
    assert not login.knows(tokens[-1])
    assert Login("").needed is False


def test_the_brake_is_each_clients_own() -> None:
    login = Login("right", lambda: 0.0)
    device = login.new_device()
    assert [login.try_password("wrong", "10.0.0.9") for _ in range(6)][-1] == 60
    assert login.try_password("right", "10.0.0.8") is None
    assert login.try_password("right", "10.0.0.9") == 60
    assert login.try_password("right", "10.0.0.9", device) is None
    assert login.try_password("right", "10.0.0.9", device[:-1] + "☂") == 60
    assert login.try_password("right", "10.0.0.9", Login("another").new_device()) == 60
    for number in range(3000):
        login.try_password("wrong", f"10.1.{number // 256}.{number % 256}")
    assert len(login._wrong) == MOST_CLIENTS


def test_what_is_deep_is_not_laid_out() -> None:
    deep = "[" * 900 + ", ".join(["1"] * 20_000) + "]" * 900
    flat = json.dumps([{"a": [1, 2, {"b": '[{,"'}]}] * 1000)
    assert len(deep) < 70_000
    assert laid_out_size(deep) > MOST_LAID_OUT
    assert laid_out_size(flat) == pytest.approx(len(json.dumps(json.loads(flat), indent=2)), rel=0.4)


def test_a_long_text_that_changed_in_a_few_places_has_a_short_difference() -> None:
    before = [line for n in range(20_000) for line in (f'"{n}": {{', '  "quiet": false,', "},")]
    after = before.copy()
    after[1:1], after[30_000], after[-2] = ['  "first": 1,'], '"10000": [', '  "last": true,'
    del after[45_000:45_003]
    began = time.monotonic()
    found = difference("\n".join(before), "\n".join(after))
    assert time.monotonic() - began < 10
    assert [line.text for line in found if line.mark == "+"] == ['  "first": 1,', '"10000": [', '  "last": true,']
    assert len([line for line in found if line.mark == "-"]) == 5
    assert len(found) < 50
    kept = {line.before: line.text for line in found if line.mark in " -"}
    assert all(before[number - 1] == text for number, text in kept.items() if number)
    assert "lines the same" in next(line for line in found if line.mark == "…").text


def test_a_drill_that_the_events_tell_is_not_told_twice(tmp_path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as view:
        view.execute("CREATE TABLE drills (at REAL, run INTEGER, ok INTEGER, seconds REAL, what TEXT)")
        end = datetime(2026, 11, 22, 1, tzinfo=UTC).timestamp()
        view.executemany("INSERT INTO drills VALUES (?, ?, 1, 4.0, NULL)", [(end - 86400, 1), (end - 5, 2)])
        events.append(tmp_path, Event("2026-11-22T01:00:00+00:00", "Drill", "drill", "Drill: run 2 was restored", ""))
        told = [one.what for one in happenings(view, tmp_path)]
    assert told == ["Drill: run 2 was restored", "restore point 1 restored and compared in 4.0 s"]


def test_what_a_person_did_is_no_alert(tmp_path: Path) -> None:
    events.append(
        tmp_path, Event("2026-11-22T01:00:00+00:00", "Restored", "bot", "Restored run 3", "--undo puts it back")
    )
    events.append(tmp_path, events.happened("TargetLogin", "run", "the password is refused"))
    [trouble, restored] = happenings(None, tmp_path)
    assert (restored.group, restored.good, restored.what) == ("done", True, "Restored run 3")
    assert trouble.group == "alert"
