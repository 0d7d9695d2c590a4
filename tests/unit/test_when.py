"""--at: a time as a person gives it, whatever the clocks did in between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest

from mirror.errors import ConfigError
from restore.when import parse_time, show_time


@pytest.fixture(autouse=True)
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def local(text: str) -> datetime:
    return utc(text).astimezone()


NOW = "2026-11-22 04:00"  # in Berlin 05:00

UNDERSTOOD = {
    "2026-11-21 18:00": "2026-11-21 17:00",
    "2026-11-21T18:00:00Z": "2026-11-21 18:00",
    "2026-11-21 18:00 +02:00": "2026-11-21 16:00",
    "2026-11-21 18:00Z": "2026-11-21 18:00",
    "yesterday 18:00 UTC": "2026-11-21 18:00",
    "2026-07-01 12:00": "2026-07-01 10:00",
    "2h": "2026-11-22 02:00",
    "1h30m": "2026-11-22 02:30",
    "90 minutes ago": "2026-11-22 02:30",
    "2 hours": "2026-11-22 02:00",
    "1d": "2026-11-21 04:00",
    "yesterday 18:00": "2026-11-21 17:00",
    "yesterday at 18:00": "2026-11-21 17:00",
    "today 04:30": "2026-11-22 03:30",
    "18:00": "2026-11-21 17:00",
}


@pytest.mark.parametrize("text", UNDERSTOOD)
def test_it_is_understood(text: str) -> None:
    found = parse_time(text, local(NOW))
    assert (found.at.astimezone(UTC), found.remark) == (utc(UNDERSTOOD[text]), "")


@pytest.mark.parametrize("text", ["", "h", "soon", "2x", "2026-13-01 10:00", "0h"])
def test_what_is_no_time_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a time") as refused:
        parse_time(text, local(NOW))
    assert "yesterday 18:00" in refused.value.hint


def test_hours_are_hours_though_the_clock_was_set_in_between() -> None:
    spring, autumn = local("2026-03-29 01:30"), local("2026-10-25 01:30")
    assert parse_time("2h", spring).at.astimezone(UTC) == utc("2026-03-28 23:30")
    assert parse_time("2 hours ago", autumn).at.astimezone(UTC) == utc("2026-10-24 23:30")


def test_a_time_that_came_twice_is_the_first_one_and_the_second_is_told() -> None:
    found = parse_time("2026-10-25 02:30", local(NOW))
    assert found.at.astimezone(UTC) == utc("2026-10-25 00:30")
    assert show_time(found.at) == "2026-10-25 02:30:00 CEST (00:30:00 UTC)"
    assert "--at 2026-10-25T01:30:00Z" in found.remark
    assert parse_time("2026-10-25T01:30:00Z", local(NOW)).at == utc("2026-10-25 01:30")


def test_a_time_that_was_left_out_is_told() -> None:
    found = parse_time("2026-03-29 02:30", local(NOW))
    assert show_time(found.at) == "2026-03-29 03:30:00 CEST (01:30:00 UTC)"
    assert "left out" in found.remark


def test_the_zone_is_always_shown() -> None:
    assert show_time(utc("2026-11-22 04:00")) == "2026-11-22 05:00:00 CET (04:00:00 UTC)"
