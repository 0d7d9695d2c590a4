"""Figures and times as a person reads them, as filters of the templates. What comes from data is escaped here or there."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from markupsafe import Markup, escape

from backup.answer import ago

_ISO = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?\+00:00)")
_UNITS = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def size(count: float | None) -> str:
    """1.5 MB; a dash for None."""
    if count is None:
        return "-"
    for unit, name in _UNITS:
        if abs(count) >= unit:
            return f"{count / unit:.1f} {name}"
    return f"{int(count)} B"


def number(count: float | None) -> str:
    """12,345; a dash for None."""
    return "-" if count is None else f"{int(count):,}"


def seconds(value: float | None) -> str:
    """0.03 s, 4.1 s, 12 min."""
    if value is None:
        return "-"
    return f"{value:.2f} s" if value < 1 else f"{value:.1f} s" if value < 120 else ago(value)


def moment(at: float | str | None) -> Markup:
    """A time that the browser turns into the reader's own zone; UTC where it does not."""
    if at is None or at == "":
        return Markup("<span>-</span>")
    try:
        found = datetime.fromtimestamp(at, UTC) if isinstance(at, int | float) else datetime.fromisoformat(at)
    except (ValueError, OverflowError, OSError):
        return Markup("<span>{}</span>").format(at)
    utc = found.astimezone(UTC)
    return Markup('<time datetime="{}">{} UTC</time>').format(
        utc.isoformat(timespec="seconds"), utc.strftime("%Y-%m-%d %H:%M:%S")
    )


def name(text: str) -> Markup:
    """A name that may be broken where its words meet, instead of anywhere."""
    return Markup(re.sub(r"([_./-])(?=\w)", r"\1<wbr>", str(escape(text))))  # noqa: S704 - escaped just here


def minute(at: float | None) -> str:
    """`, 2026-11-22 01:45 UTC`, where no element can stand; nothing for None."""
    return "" if at is None else datetime.fromtimestamp(at, UTC).strftime(", %Y-%m-%d %H:%M UTC")


def since(at: float | None) -> Markup:
    """`5 min ago`, which goes on counting in the browser."""
    if at is None:
        return Markup("<span>never</span>")
    age = max(0.0, datetime.now(UTC).timestamp() - at)
    return Markup('<span data-since="{}">{} ago</span>').format(int(at), ago(age))


def sentence(text: str, equal_at: float | None) -> Markup:
    """A sentence of the sidecar's with its times as elements; the age of a good one goes on counting."""
    parts = _ISO.split(text)
    told = Markup("").join(moment(part) if _ISO.fullmatch(part) else escape(part) for part in parts)
    counting = re.sub(
        r"\((\d+ \w+) ago\)",
        lambda found: f'(<span data-since="{int(equal_at or 0)}">{found[1]} ago</span>)',
        str(told),
        count=1,
    )
    return Markup(counting if equal_at is not None and text.startswith("Safe") else str(told))  # noqa: S704 - escaped above


def epoch(at: str | None) -> float | None:
    """ISO 8601 as seconds since 1970; None where it is not that."""
    try:
        return None if at is None else datetime.fromisoformat(at).timestamp()
    except ValueError:
        return None


FILTERS = {
    "epoch": epoch,
    "size": size,
    "number": number,
    "seconds": seconds,
    "moment": moment,
    "minute": minute,
    "name": name,
    "since": since,
}
