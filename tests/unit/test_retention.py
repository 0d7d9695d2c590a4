"""RETENTION: how it is written, and which restore points it keeps."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from backup.config import BackupSettings
from mirror import settings
from mirror.errors import ConfigError
from mirror.retention import Point, Rule, kept, parse_rules

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
DEFAULT = parse_rules("all:24h,hourly:7d,daily:30d")


def points(*ages: timedelta, proved: int | None = None) -> list[Point]:
    """Numbered from 1, the oldest first."""
    ordered = sorted(ages, reverse=True)
    return [Point(run, NOW - age, run == proved) for run, age in enumerate(ordered, 1)]


def test_rules_are_read_with_blanks_and_without() -> None:
    assert parse_rules(" all:24h, weekly:1d12h ,monthly:52w") == (
        Rule("all", timedelta(hours=24)),
        Rule("weekly", timedelta(hours=36)),
        Rule("monthly", timedelta(weeks=52)),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not a rule"),
        ("all", "'all' is not a rule"),
        ("24h", "'24h' is not a rule"),
        ("secondly:24h", "'secondly:24h' is not a rule; write one of all, minutely, hourly, daily, weekly, monthly"),
        ("all:24h,", "'' is not a rule"),
        ("all:24", "write a number and a unit"),
        ("all:", "write a number and a unit"),
        ("all:0h", "must be longer than 0"),
        ("daily:-1d", "write a number and a unit"),
        ("daily:1y", "write a number and a unit"),
    ],
)
def test_a_rule_that_cannot_be_read_says_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_rules(text)


def test_a_wrong_rule_is_told_with_its_variable() -> None:
    environ = {"RETENTION": "hourly", "SUPABASE_DB_SSLMODE": "require"}
    with pytest.raises(ConfigError, match="RETENTION: 'hourly' is not a rule"):
        settings.load(BackupSettings, environ)


def test_all_keeps_every_young_point_and_none_that_is_older() -> None:
    found = points(timedelta(hours=30), timedelta(hours=23), timedelta(minutes=5), timedelta(minutes=1))
    assert kept(found, parse_rules("all:24h"), NOW) == {2, 3, 4}


def test_hourly_keeps_the_last_of_each_hour() -> None:
    found = points(
        *(timedelta(minutes=minutes) for minutes in (1, 59, 61, 119, 121))
    )  # 10:59, 11:01, 10:01, 11:59, 9:59
    assert {NOW - point.at for point in found if point.run in kept(found, parse_rules("hourly:7d"), NOW)} == {
        timedelta(minutes=minutes) for minutes in (1, 61, 121)
    }


def test_minutely_keeps_the_last_of_each_minute() -> None:
    found = points(*(timedelta(seconds=seconds) for seconds in (1, 59, 60, 61, 119, 181)))  # of 11:59, 11:58 and 11:56
    assert {NOW - point.at for point in found if point.run in kept(found, parse_rules("minutely:24h"), NOW)} == {
        timedelta(seconds=seconds) for seconds in (1, 61, 181)
    }


def test_days_weeks_and_months_begin_in_utc() -> None:
    at = [
        datetime.fromisoformat(text)
        for text in (
            "2026-10-31T23:59:00+00:00",  # Saturday
            "2026-11-01T23:30:00+00:00",  # Sunday
            "2026-11-02T00:30:00+00:00",  # Monday
            "2026-11-02T04:00:00+05:00",  # Sunday 23:00 in UTC, though it is Monday there
        )
    ]
    found = [Point(run, when) for run, when in zip((1, 3, 4, 2), at, strict=True)]
    assert kept(found, parse_rules("daily:60d"), NOW) == {1, 3, 4}
    assert kept(found, parse_rules("weekly:60d"), NOW) == {3, 4}
    assert kept(found, parse_rules("monthly:60d"), NOW) == {1, 4}


def test_the_last_and_the_last_proved_point_are_kept_whatever_the_rules_say() -> None:
    ages = [timedelta(days=400 + day) for day in range(5)]
    assert kept(points(*ages, proved=2), DEFAULT, NOW) == {2, 5}
    assert kept(points(*ages), DEFAULT, NOW) == {5}
    assert kept(points(*ages, proved=2), (), NOW) == {2, 5}
    assert kept([], DEFAULT, NOW) == frozenset()


@given(st.lists(st.integers(0, 60 * 24 * 45), max_size=60), st.integers(0, 60 * 24 * 20), st.data())
def test_what_is_kept_stays_kept_by_a_second_look_and_is_never_missed_later(
    minutes: list[int], later: int, data: st.DataObject
) -> None:
    found = points(*(timedelta(minutes=age) for age in minutes))
    keep = kept(found, DEFAULT, NOW)
    assert keep <= {point.run for point in found}
    remaining = [point for point in found if point.run in keep]
    assert kept(remaining, DEFAULT, NOW) == keep
    # Thinning now and once more later keeps what thinning later alone would have kept.
    then = NOW + timedelta(minutes=later)
    assert kept(remaining, DEFAULT, then) == kept(found, DEFAULT, then)
