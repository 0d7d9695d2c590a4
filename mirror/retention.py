"""Which restore points to keep: RETENTION as rules, and the pure choice among points."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from mirror.settings import parse_duration

# What a rule keeps one of: the part of an ISO 8601 time that is equal for points of the same hour, day, …
_GRANULARITIES = {
    "all": None,
    "minutely": "%Y-%m-%dT%H:%M",
    "hourly": "%Y-%m-%dT%H",
    "daily": "%Y-%m-%d",
    "weekly": "%G-W%V",
    "monthly": "%Y-%m",
}


@dataclass(frozen=True)
class Rule:
    """Points younger than `age` are kept: all of them, or the last one of each minute, hour, day, week or month (UTC)."""

    granularity: str
    age: timedelta


@dataclass(frozen=True)
class Point:
    """A restore point: its run, when it was finished, and whether a drill proved it."""

    run: int
    at: datetime
    proved: bool = False


def parse_rules(text: Any) -> tuple[Rule, ...]:
    """`all:1h,minutely:24h,hourly:7d,daily:30d` as rules; raises ValueError, saying what is wrong."""
    if isinstance(text, tuple):
        return text
    rules = []
    for part in str(text).replace(" ", "").split(","):
        granularity, separator, age = part.partition(":")
        if granularity not in _GRANULARITIES or not separator:
            raise ValueError(
                f"{part!r} is not a rule; write one of {', '.join(_GRANULARITIES)}, a colon and an age: "
                "all:1h,minutely:24h,hourly:7d,daily:30d"
            )
        rules.append(Rule(granularity, parse_duration(age)))
    return tuple(rules)


def sparser(rules: Sequence[Rule], granularity: str) -> tuple[Rule, ...]:
    """The rules with this granularity in place of every finer one, for the same ages."""
    order = list(_GRANULARITIES)
    return tuple(
        Rule(granularity if order.index(rule.granularity) < order.index(granularity) else rule.granularity, rule.age)
        for rule in rules
    )


def kept(points: Sequence[Point], rules: Sequence[Rule], now: datetime) -> frozenset[int]:
    """The runs to keep. The newest point and the newest proved one are always among them."""
    ordered = sorted(points, key=lambda point: point.run)
    keep = {point.run for point in ordered[-1:]}
    keep |= {point.run for point in [point for point in ordered if point.proved][-1:]}
    for rule in rules:
        last_of: dict[str, int] = {}
        for point in ordered:
            if now - point.at <= rule.age:
                last_of[_bucket(rule, point)] = point.run
        keep |= set(last_of.values())
    return frozenset(keep)


def _bucket(rule: Rule, point: Point) -> str:
    pattern = _GRANULARITIES[rule.granularity]
    return str(point.run) if pattern is None else point.at.astimezone(UTC).strftime(pattern)
