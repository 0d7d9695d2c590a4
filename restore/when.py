"""A time as a person gives it, and the restore point that was the last one then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import dateparser
from psycopg2.extensions import connection as Connection

from mirror.errors import ConfigError
from mirror.settings import Settings
from mirror.target import translated


def parse_time(text: str, now: datetime) -> datetime:
    """An absolute time, `2h`, `90 minutes ago`, `yesterday 18:00`; in the local zone (TZ) unless it names one.

    `now` says what it is relative to. Raises ConfigError.
    """
    relative = f"{text} ago" if text.strip()[:1].isdigit() and text.strip()[-1:] in "smhdw" else text
    found: datetime | None = dateparser.parse(
        relative,
        languages=["en"],
        settings={
            "RELATIVE_BASE": now.replace(tzinfo=None),
            "PREFER_DATES_FROM": "past",
            "DATE_ORDER": "YMD",
            "RETURN_AS_TIMEZONE_AWARE": False,
        },
    )
    if found is None:
        raise ConfigError(
            f"--at {text!r} is not a time",
            "write it as 2026-11-21 18:00, 2026-11-21T18:00:00Z, 2h, or 'yesterday 18:00'",
        )
    return found if found.tzinfo else found.astimezone()  # by the zone's rules on that day, summer time included


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
