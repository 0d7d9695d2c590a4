"""The difference between two texts, line by line: what went, what came, and a few lines around it. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

# Comparing all with all takes time by the product of the lines. Longer texts are first cut where a line occurs once in both.
MOST_LINES = 1500
CONTEXT_LINES = 3


@dataclass(frozen=True)
class Line:
    """One line of a difference. `mark`: + put in, - taken out, blank for the same, … for lines left out."""

    mark: str
    before: int | None
    after: int | None
    text: str


def difference(before: str, after: str) -> tuple[Line, ...]:
    """The lines that differ, each with a few around it."""
    old, new = before.splitlines(), after.splitlines()
    return tuple(_folded(list(_lines(old, new))))


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    a = b = 0
    for i, j in [*_pairs(old, new), (len(old), len(new))]:
        for n in range(a, i):
            yield Line("-", n + 1, None, old[n])
        for n in range(b, j):
            yield Line("+", None, n + 1, new[n])
        if i < len(old) and j < len(new):
            yield Line(" ", i + 1, j + 1, old[i])
        a, b = i + 1, j + 1


def _pairs(old: list[str], new: list[str]) -> Iterator[tuple[int, int]]:
    """Which line is which: the same at the head, the same at the tail, and what matches in between."""
    head = _same_at_the_head(old, new)
    tail = _same_at_the_head(old[head:][::-1], new[head:][::-1])
    yield from ((n, n) for n in range(head))
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    yield from ((head + i, head + j) for i, j in _matches(a, b))
    yield from ((len(old) - n, len(new) - n) for n in range(tail, 0, -1))


def _matches(a: list[str], b: list[str]) -> Iterator[tuple[int, int]]:
    if max(len(a), len(b)) <= MOST_LINES:
        for match in SequenceMatcher(None, a, b, autojunk=False).get_matching_blocks():
            yield from ((match.a + n, match.b + n) for n in range(match.size))
        return
    anchors = _anchors(a, b)
    i = j = 0
    # With no anchor in so long a text it is another one altogether.
    for at, to in [*anchors, (len(a), len(b))] if anchors else []:
        yield from ((i + x, j + y) for x, y in _pairs(a[i:at], b[j:to]))
        if at < len(a) and to < len(b):
            yield at, to
        i, j = at + 1, to + 1


def _anchors(a: list[str], b: list[str]) -> list[tuple[int, int]]:
    """Lines that occur once in each text, the longest series of them in the same order ("patience difference")."""
    once = {line for line, count in Counter(b).items() if count == 1}
    places = {line: place for place, line in enumerate(b) if line in once}
    single = {line for line, count in Counter(a).items() if count == 1}
    common = [(i, places[line]) for i, line in enumerate(a) if line in single and line in places]
    ends: list[int] = []  # the smallest end of a rising series of each length
    last: list[int] = []  # which pair that is
    before: list[int] = []  # for each pair, the one before it in its series
    for number, (_, place) in enumerate(common):
        length = bisect_left(ends, place)
        before.append(last[length - 1] if length else -1)
        ends[length : length + 1], last[length : length + 1] = [place], [number]
    found = []
    number = last[-1] if last else -1
    while number >= 0:
        found.append(common[number])
        number = before[number]
    return found[::-1]


def _same_at_the_head(old: list[str], new: list[str]) -> int:
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _folded(lines: list[Line]) -> Iterator[Line]:
    """Without what is far from any difference; nothing at all where nothing differs."""
    near: set[int] = set()
    for place, line in enumerate(lines):
        if line.mark != " ":
            near.update(range(place - CONTEXT_LINES, place + CONTEXT_LINES + 1))
    if not near:
        return
    for shown, some in groupby(enumerate(lines), key=lambda pair: pair[0] in near):
        group = [line for _, line in some]
        if shown:
            yield from group
        else:
            yield Line("…", None, None, f"{len(group):,} line{'' if len(group) == 1 else 's'} the same")
