"""Which messages people get: one when something begins to be wrong, one a day while it lasts, one when it is over.

Pure: what is wrong now and what was told so far in, messages and what is told then out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Literal

from backup.answer import ago
from backup.state import Moment
from backup.wrong import Wrong, kind_of
from mirror.plain_text import indented, shown

REMINDER = timedelta(days=1)
LONGEST_TEXT = 1500  # Discord takes 2000 characters in all


@dataclass(frozen=True)
class Open:
    """Something that is wrong. `told_at`: when people last heard of it; None while it may still pass by itself."""

    wrong: Wrong
    told_at: Moment | None = None


@dataclass(frozen=True)
class Message:
    """`mood` is apprise's word for it."""

    title: str
    body: str
    mood: Literal["failure", "warning", "success", "info"]


def decide(
    opened: tuple[Open, ...],
    wrong: tuple[Wrong, ...],
    source: str,
    equal_at: str | None,
    now: datetime,
    after: timedelta,
) -> tuple[tuple[Message, ...], tuple[Open, ...]]:
    """The messages due now, and what is open from now on. `after`: how long a passing trouble must last to be told."""
    known = {one.wrong.key: one for one in opened}
    messages: list[Message] = []
    remaining = []
    for one in wrong:
        before = known.get(one.key, Open(one))
        # What it says may change while it lasts (a count, say): that is no news, but a reminder tells the newest.
        now_open = Open(replace(one, since=before.wrong.since), before.told_at)
        if now_open.told_at is None and _is_due(now_open.wrong, now, after):
            messages.append(_began(now_open.wrong, source, equal_at, now))
            now_open = replace(now_open, told_at=_iso(now))
        elif now_open.told_at is not None and _is_reminder_due(now_open.told_at, now):
            messages.append(_still(now_open.wrong, source, equal_at, now))
            now_open = replace(now_open, told_at=_iso(now))
        remaining.append(now_open)
    keys = {one.key for one in wrong}
    over = [one.wrong for one in opened if one.told_at and one.wrong.key not in keys]
    # Another trouble of the same thing took its place: that it is well again would be wrong.
    subjects = {one.subject for one in wrong}
    messages += [_over(one, remaining, source, equal_at, now) for one in over if one.subject not in subjects]
    return tuple(messages), tuple(remaining)


def trial_message(source: str, now: datetime) -> Message:
    """What `alert-test` sends."""
    return Message(
        f"Sidemirror, {source}: a test",
        f"This is a test, sent at {_iso(now)}. Alerts about the source {source} come here.\nNothing is wrong.",
        "info",
    )


def _is_due(wrong: Wrong, now: datetime, after: timedelta) -> bool:
    return not kind_of(wrong.kind).passing or now - datetime.fromisoformat(wrong.since) >= after


def _is_reminder_due(told_at: str, now: datetime) -> bool:
    told = datetime.fromisoformat(told_at)
    return now - told >= REMINDER or told - now > REMINDER  # the clock may have been set back


def _began(wrong: Wrong, source: str, equal_at: str | None, now: datetime) -> Message:
    return Message(f"Sidemirror, {source}: {_word(wrong)}", _body(wrong, equal_at, now), _mood(wrong))


def _still(wrong: Wrong, source: str, equal_at: str | None, now: datetime) -> Message:
    lasted = ago((now - datetime.fromisoformat(wrong.since)).total_seconds())
    title = f"Sidemirror, {source}: still {_word(wrong)}, for {lasted}"
    return Message(title, _body(wrong, equal_at, now), _mood(wrong))


def _over(wrong: Wrong, remaining: list[Open], source: str, equal_at: str | None, now: datetime) -> Message:
    lasted = ago((now - datetime.fromisoformat(wrong.since)).total_seconds())
    left = ", ".join(sorted({shown(one.wrong.subject) for one in remaining}))
    body = f"This is over: {_what(wrong)}\nIt lasted from {wrong.since} until {_iso(now)} ({lasted}).\n"
    body += f"Still wrong: {left} (./sidemirror status)." if left else _as_of(equal_at)
    return Message(
        f"Sidemirror, {source}: {'one thing is well again' if left else 'all is well again'}", body, "success"
    )


def _body(wrong: Wrong, equal_at: str | None, now: datetime) -> str:
    lasted = ago((now - datetime.fromisoformat(wrong.since)).total_seconds())
    lines = [
        f"What: {_what(wrong)}",
        f"Since: {wrong.since} ({lasted})",
        f"It means: {kind_of(wrong.kind).meaning}",
        f"Do: {indented(wrong.hint)}" if wrong.hint else "Do: ./sidemirror doctor",
        _as_of(equal_at),
    ]
    return "\n".join(lines)


def _what(wrong: Wrong) -> str:
    text = (
        wrong.what if wrong.subject in ("run", "drill", "target", "state folder") else f"{wrong.subject}: {wrong.what}"
    )
    text = indented(text)  # the name of a file must not forge the lines below it
    return text if len(text) <= LONGEST_TEXT else f"{text[:LONGEST_TEXT]}…"


def _as_of(equal_at: str | None) -> str:
    return f"Everything up to {equal_at} is mirrored." if equal_at else "Nothing was mirrored yet."


def _word(wrong: Wrong) -> str:
    return "a warning" if _mood(wrong) == "warning" else "NOT SAFE"


def _mood(wrong: Wrong) -> Literal["failure", "warning"]:
    return "warning" if wrong.kind.endswith("NearlyFull") else "failure"


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
