"""Documents, their versions, and what differs between two of them.

`python -m backup.page.documents STATE_DIR DOCUMENT FROM TO` prints what `compared` gives.
"""

from __future__ import annotations

import json
import re
import resource
import sqlite3
import sys
import zlib
from dataclasses import astuple, dataclass, replace
from pathlib import Path

from backup.page import facts
from backup.page.difference import Line, difference

MOST_SHOWN = 800
LONGEST_LINE = 2000
# What is larger than this when it is laid out is shown as it is. A megabyte of a few levels stays below it.
MOST_LAID_OUT = 8_000_000

# What begins a new line, and strings, in which nothing does.
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},]', re.S)

# Of the process that compares, beside the page's in 128 MB. Larger ones have nothing to show.
MOST_MEMORY = 60 * 1024 * 1024


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
class Compared:
    """`lines`: the first of the difference. `more`: how many are left out. `lines` None: one of the two is not kept."""

    lines: tuple[Line, ...] | None
    more: int = 0


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
    content = _content(row[0])
    if laid_out_size(content) > MOST_LAID_OUT:
        return content
    try:
        return json.dumps(json.loads(content), indent=2, ensure_ascii=False)
    except (ValueError, RecursionError):
        return content


def largest(state_dir: Path, document: int, *runs: int | None) -> int:
    """The size of the largest of these versions, laid out."""
    marks = ", ".join("?" * len(runs))
    found = [0]
    with facts.opened(state_dir) as view:
        rows = (
            view.execute(
                f"SELECT content FROM versions WHERE document_id = ? AND run IN ({marks}) AND content IS NOT NULL",
                (document, *runs),
            )
            if view
            else ()
        )
        found += [laid_out_size(_content(content)) for (content,) in rows]
    return max(found)


def _content(kept: bytes) -> str:
    return zlib.decompress(kept).decode("utf-8-sig", "replace")


def laid_out_size(content: str) -> int:
    """How many characters it has when it is laid out, about: what is deep is indented far, line for line."""
    size, depth = len(content), 0
    for token in _TOKEN.finditer(content):
        mark = token.group()
        if mark in "[{":
            depth += 1
        elif mark in "]}":
            depth = max(0, depth - 1)
        if len(mark) == 1:  # not a string
            size += 1 + 2 * depth
    return size


def compared(state_dir: Path, document: int, before: int | None, after: int) -> Compared:
    """From version `before` (None: from nothing) to version `after`."""
    with facts.opened(state_dir) as view:
        texts = [None if run is None or view is None else text(view, document, run) for run in (before, after)]
    if texts[1] is None or (texts[0] is None and before is not None):
        return Compared(None)
    lines = difference(texts[0] or "", texts[1])
    return Compared(tuple(map(_cut, lines[:MOST_SHOWN])), max(0, len(lines) - MOST_SHOWN))


def _cut(line: Line) -> Line:
    left_out = len(line.text) - LONGEST_LINE
    if left_out <= 0:
        return line
    return replace(line, text=f"{line.text[:LONGEST_LINE]} … and {left_out} characters more")


def _main(state_dir: str, document: str, before: str, after: str) -> None:
    resource.setrlimit(resource.RLIMIT_DATA, (MOST_MEMORY, MOST_MEMORY))
    found = compared(Path(state_dir), int(document), int(before) if before else None, int(after))
    lines = None if found.lines is None else [astuple(line) for line in found.lines]
    json.dump((lines, found.more), sys.stdout)


if __name__ == "__main__":
    _main(*sys.argv[1:])
