"""Names on both sides: quoting for SQLite, and the name that a SQLite name gets in Postgres."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from itertools import count

# NAMEDATALEN - 1, in bytes: https://www.postgresql.org/docs/17/limits.html
POSTGRES_NAME_BYTES = 63

ROWID = "_rowid_"
KEY = "_key"
EXACT = "_exact"

# Columns that every Postgres table has already (ddl-system-columns), and the ones that a mirror adds.
TAKEN_COLUMN_NAMES = frozenset({"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "oid", ROWID, KEY, EXACT})


def quote_sqlite(name: str) -> str:
    """The name as a quoted SQLite identifier, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def folded(name: str) -> str:
    """What SQLite compares names by: it knows no case beyond ASCII (https://www.sqlite.org/faq.html#q18)."""
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def postgres_name(name: str, taken: Iterable[str] = ()) -> str:
    """The name itself where Postgres can hold it, otherwise a stable short one.

    A name that is longer than 63 bytes, empty, or in `taken` gets the first characters that fit, an underscore
    and eight hex digits of its own hash; so it is the same in every run and on every machine.
    """
    taken_names = frozenset(taken)
    if 0 < len(name.encode("utf-8", "surrogatepass")) <= POSTGRES_NAME_BYTES and name not in taken_names:
        return name
    salts = (f"{name}\0{number}" for number in count())
    return next(short for salt in salts if (short := distinct_name(name, salt)) not in taken_names)


def distinct_name(name: str, identity: str) -> str:
    """The name's first characters that fit, an underscore, and eight hex digits of the identity's hash."""
    digest = hashlib.sha256(identity.encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_cut(name, POSTGRES_NAME_BYTES - 9)}_{digest}"


def _cut(name: str, size: int) -> str:
    return name.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")
