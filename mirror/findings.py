"""What SQLite's own check says of a file, sorted: what keeps rows from being read, and what is only remarked.

The words are those of btree.c, pragma.c and the FTS modules (https://www.sqlite.org/pragma.html#pragma_integrity_check).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from mirror.names import quote_sqlite

# B-trees are checked first, so none of their findings is lost behind many others.
MOST = 100

_INDEX = re.compile(
    r"(?:wrong # of entries in index|row \d+ missing from index|row \d+ values differ from index|"
    r"rowid not at end-of-record for row \d+ of index) (?P<name>.+)"
)
_TWICE = re.compile(r"non-unique entry in index (?P<name>.+)")
_UNUSED = re.compile(r"Page \d+(?: is|:) never used|(?:Main )?[Ff]reelist: (?:size is|freelist leaf count)")
_VALUE = re.compile(r"(?:NUMERIC|TEXT|NULL|non-\w+) value in ")
_WORDS = re.compile(
    r"(?:malformed inverted index for|unable to validate the inverted index for) FTS\d table (?:\w+\.)?(?P<name>[^:]+)"
)


@dataclass(frozen=True)
class Remark:
    """`cure` is empty where nothing is to be done."""

    what: str
    cure: str


@dataclass(frozen=True)
class Findings:
    """`broken`: the lines that keep rows from being read, or from being told apart. `remarks`: one of a kind.

    `forbidden`: those of values that no statement writes again. `unmade`: all but those of what is in the rows themselves.
    """

    broken: tuple[str, ...]
    remarks: tuple[Remark, ...]
    unmade: tuple[str, ...]
    forbidden: tuple[str, ...]


def lines_of(problems: Iterable[object]) -> list[str]:
    """What the check answered, a line for each finding; none where it is "ok"."""
    texts = [one.decode(errors="replace") if isinstance(one, bytes) else str(one) for one in problems]
    lines = [line for text in texts for line in text.splitlines()]
    return [line for line in lines if line != "ok" and not line.startswith("*** in database")]


def sorted_out(lines: list[str], keys: Collection[str], unknown: Collection[str] = ()) -> Findings:
    """`keys`: the indexes that keep a PRIMARY KEY: rows are found by them. `unknown`: those in an order unknown here."""
    remarks: dict[str, Remark] = {}
    broken, unmade, forbidden = [], [], []
    for line in lines:
        index, words, twice = _INDEX.match(line), _WORDS.match(line), _TWICE.match(line)
        if (index and index["name"] in unknown) or (twice and twice["name"] in unknown):
            continue
        if index and index["name"] not in keys:
            name = quote_sqlite(index["name"])
            cure = f"its rows are all mirrored, so restore nothing; in the bot's database: REINDEX {name}"
            remarks.setdefault(index["name"], Remark(f"an index is out of step with its table: {line}", cure))
            unmade.append(line)
        elif words:
            name = quote_sqlite(words["name"])
            cure = f"its rows are all mirrored; in the bot's database: INSERT INTO {name} ({name}) VALUES ('rebuild')"
            remarks.setdefault(words["name"], Remark(f"a full-text index is out of step: {line}", cure))
        elif _UNUSED.match(line):
            cure = "nothing is lost but some room in the file; in the bot's database: VACUUM"
            remarks.setdefault("unused", Remark(f"pages of the file are not used: {line}", cure))
            unmade.append(line)
        elif _VALUE.match(line):
            forbidden.append(line)
        else:
            broken.append(line)
    return Findings(tuple(broken), tuple(remarks.values()), tuple(broken + forbidden + unmade), tuple(forbidden))
