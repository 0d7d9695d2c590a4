"""A time as a person gives it, and the restore point that was the last one then."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import dateparser
from psycopg2.extensions import connection as Connection

from mirror.errors import ConfigError
from mirror.settings import Settings, parse_duration
from mirror.target import translated

_UNITS = (
    (r"(?<=[0-9 ])(seconds?|secs?)", "s"),
    (r"(?<=[0-9 ])(minutes?|mins?)", "m"),
    (r"(?<=[0-9 ])(hours?|hrs?)", "h"),
    (r"(?<=[0-9 ])days?", "d"),
    (r"(?<=[0-9 ])weeks?", "w"),
)


@dataclass(frozen=True)
class Time:
    """A time as it was understood; `remark` tells where that could have been otherwise."""

    at: datetime
    remark: str = ""


def parse_time(text: str, now: datetime) -> Time:
    """An absolute time, `2h`, `90 minutes ago`, `yesterday 18:00`; in the local zone (TZ) unless it names one.

    `now` says what it is relative to; two hours are two hours, even if a clock was set in between. Raises ConfigError.
    """
    ago = _ago(text)
    if ago is not None:
        return Time((now.astimezone(UTC) - ago).astimezone())
    found = _absolute(text) or _in_words(text, now)
    if found is None:
        raise ConfigError(
            f"--at {text!r} is not a time",
            "write it as 2026-11-21 18:00, 2026-11-21T18:00:00Z, 2h, or 'yesterday 18:00'",
        )
    if found.tzinfo:
        return Time(found)
    # By the zone's rules on that day. At the end of summer time an hour comes twice, at its beginning one is left out.
    first, second = found.replace(fold=0).astimezone(), found.replace(fold=1).astimezone()
    if first.astimezone(UTC) < second.astimezone(UTC):
        other = second.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return Time(first, f"that time came twice in that night, and the first is taken; for the second: --at {other}")
    if first.astimezone(UTC) > second.astimezone(UTC):
        return Time(first, "that time was left out in that night, when the clock was set forward")
    return Time(first)


def _absolute(text: str) -> datetime | None:
    try:
        return datetime.fromisoformat(re.sub(r"\s+(?=[+-][0-9]{2}:?[0-9]{2}$|Z$)", "", text.strip()))
    except ValueError:
        return None


def _in_words(text: str, now: datetime) -> datetime | None:
    # It makes something of almost anything: of a thirteenth month, of no hours at all.
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text.strip()) or re.fullmatch(r"\s*[0-9]+\s*[a-z]\s*", text):
        return None
    found: datetime | None = dateparser.parse(
        text,
        languages=["en"],
        settings={"RELATIVE_BASE": now.replace(tzinfo=None), "PREFER_DATES_FROM": "past", "DATE_ORDER": "YMD"},
    )
    return found


def _ago(text: str) -> timedelta | None:
    """The length of `2h`, `1h 30m` or `90 minutes ago`; None for anything else."""
    compact = text.strip().lower().removesuffix("ago")
    for words, unit in _UNITS:
        compact = re.sub(words, unit, compact)
    try:
        return parse_duration(compact)
    except ValueError:
        return None


def show_time(at: datetime) -> str:
    """Local time with its zone, and UTC beside it where that is another one."""
    local = at.astimezone()
    told = local.strftime("%Y-%m-%d %H:%M:%S %Z")
    return (
        told if local.utcoffset() == at.astimezone(UTC).utcoffset() else f"{told} ({at.astimezone(UTC):%H:%M:%S} UTC)"
    )


@dataclass(frozen=True)
class Point:
    """A restore point, and when it was made."""

    run: int
    at: datetime


def points_of(connection: Connection, settings: Settings, source_id: int) -> list[Point]:
    """All restore points of a source, oldest first."""
    with translated(settings), connection.cursor() as cursor:
        cursor.execute("SELECT run, finished_at FROM sidemirror.runs WHERE source_id = %s ORDER BY run", (source_id,))
        return [Point(int(run), at) for run, at in cursor.fetchall()]
