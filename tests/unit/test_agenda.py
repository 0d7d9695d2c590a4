"""What is due when, whatever happens to the date."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest

from backup.agenda import Agenda, jittered, left_of

AT = datetime(2026, 11, 22, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


def test_the_job_that_is_due_for_longest_is_taken_first_and_once() -> None:
    agenda = Agenda()
    agenda.put("later", HOUR)
    agenda.put("now", -HOUR)
    agenda.put("before", -2 * HOUR)
    assert [agenda.take(), agenda.take(), agenda.take()] == ["before", "now", None]
    assert [job.tags for job in agenda.planned()] == [{"later"}]


def test_a_job_that_is_planned_anew_is_planned_once() -> None:
    agenda = Agenda()
    agenda.put("run", timedelta(0))
    agenda.put("run", HOUR)
    assert agenda.take() is None
    agenda.put("run", timedelta(0))
    assert [agenda.take(), agenda.take()] == ["run", None]
    agenda.put("run", timedelta(0))
    agenda.drop("run")
    assert agenda.take() is None


def test_jobs_stay_where_they_are_when_local_time_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """As it is twice a year: the zone's rules change nothing but local time."""
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    agenda = Agenda()
    agenda.put("soon", timedelta(minutes=30))
    agenda.put("past", -timedelta(minutes=30))
    for zone in ("UTC-1", "UTC+1"):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        dated = agenda.date_of("soon")
        assert dated is not None
        assert abs(datetime.fromisoformat(dated).timestamp() - time.time() - 1800) < 2
    assert [agenda.take(), agenda.take()] == ["past", None]
    monkeypatch.undo()
    time.tzset()


def test_jitter_is_a_tenth_at_most_and_five_minutes_at_most() -> None:
    for pause, most in ((timedelta(seconds=10), 1), (timedelta(days=1), 300)):
        found = [(jittered(pause) - pause).total_seconds() for _ in range(200)]
        assert min(found) >= 0
        assert most * 0.5 < max(found) <= most


def test_what_is_left_to_wait_is_never_longer_than_the_pause_itself() -> None:
    for last, left in (
        (None, HOUR),
        ("2026-11-22T11:30:00+00:00", HOUR / 2),
        ("2026-11-20T11:30:00+00:00", timedelta(0)),
        ("2026-11-29T12:00:00+00:00", HOUR),  # the clock was set back by a week
    ):
        assert left_of(HOUR, last, AT) == left


def test_a_job_is_dated_by_the_date_as_it_is_now() -> None:
    agenda = Agenda()
    assert agenda.date_of("run") is None
    agenda.put("run", HOUR)
    agenda.put("full", 2 * HOUR)
    dated = agenda.date_of("run", "full")
    assert dated is not None
    assert abs(datetime.fromisoformat(dated).timestamp() - time.time() - 3600) < 2
    assert agenda.clock_step() == 0.0
