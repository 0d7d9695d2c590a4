"""Documents, their versions, and the difference between two of them, line by line."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby

# Comparing takes time by the product of the lines; more is shown as taken out and put in as a whole.
MOST_LINES = 1500
CONTEXT_LINES = 3


@dataclass(frozen=True)
class DocumentFacts:
    id: int
    file: str
    gone: bool
    versions: int
    run: int | None
    at: float | None
    bytes: int | None


@dataclass(frozen=True)
class Version:
    """`kept`: its content can be shown here. `sha256` None: the file was gone."""

    run: int
    at: float | None
    sha256: str | None
    bytes: int | None
    kept: bool


@dataclass(frozen=True)
class Line:
    """One line of a difference. `mark`: + put in, - taken out, blank for the same, … for lines left out."""

    mark: str
    before: int | None
    after: int | None
    text: str


def documents(view: sqlite3.Connection) -> tuple[DocumentFacts, ...]:
    """All of them by name, each with its newest version."""
    rows = view.execute(
        "SELECT d.id, d.file, d.gone, count(v.run), max(v.run), v.at, v.bytes FROM documents AS d "
        "LEFT JOIN versions AS v ON v.document_id = d.id GROUP BY d.id ORDER BY d.file"
    )
    return tuple(DocumentFacts(*(*row[:2], bool(row[2]), *row[3:])) for row in rows)


def versions(view: sqlite3.Connection, document: int) -> tuple[Version, ...]:
    """Newest first."""
    rows = view.execute(
        "SELECT run, at, sha256, bytes, content IS NOT NULL FROM versions WHERE document_id = ? ORDER BY run DESC",
        (document,),
    )
    return tuple(Version(*(*row[:4], bool(row[4]))) for row in rows)


def text(view: sqlite3.Connection, document: int, run: int) -> str | None:
    """A version's content, laid out for reading; None where it is not kept here."""
    row = view.execute("SELECT content FROM versions WHERE document_id = ? AND run = ?", (document, run)).fetchone()
    if row is None or row[0] is None:
        return None
    content = zlib.decompress(row[0]).decode("utf-8-sig", "replace")
    try:
        return json.dumps(json.loads(content), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return content


def difference(before: str, after: str) -> tuple[Line, ...]:
    """The lines that differ, each with a few around it."""
    old, new = before.splitlines(), after.splitlines()
    return tuple(_folded(list(_lines(old, new))))


def _lines(old: list[str], new: list[str]) -> Iterator[Line]:
    head = _same_at_the_head(old, new)
    tail = _same_at_the_head(old[head:][::-1], new[head:][::-1])
    a, b = old[head : len(old) - tail], new[head : len(new) - tail]
    for n in range(head):
        yield Line(" ", n + 1, n + 1, old[n])
    if max(len(a), len(b)) > MOST_LINES:
        blocks = [("replace", 0, len(a), 0, len(b))]
    else:
        blocks = [tuple(code) for code in SequenceMatcher(None, a, b, autojunk=False).get_opcodes()]  # type: ignore[misc]
    for kind, a_from, a_to, b_from, b_to in blocks:
        if kind == "equal":
            for n in range(a_to - a_from):
                yield Line(" ", head + a_from + n + 1, head + b_from + n + 1, a[a_from + n])
            continue
        for n in range(a_from, a_to):
            yield Line("-", head + n + 1, None, a[n])
        for n in range(b_from, b_to):
            yield Line("+", None, head + n + 1, b[n])
    for n in range(tail):
        yield Line(" ", len(old) - tail + n + 1, len(new) - tail + n + 1, old[len(old) - tail + n])


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
            yield Line("…", None, None, f"{len(group)} more that are the same")
