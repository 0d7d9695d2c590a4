"""Names on both sides: quoting for SQLite, and the name that a SQLite name gets in Postgres."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

# NAMEDATALEN - 1, in bytes: https://www.postgresql.org/docs/17/limits.html
POSTGRES_NAME_BYTES = 63

ROWID = "_rowid_"
KEY = "_key"
EXACT = "_exact"

# Columns that every Postgres table has already (ddl-system-columns), and the ones that a mirror adds.
TAKEN_COLUMN_NAMES = frozenset(
    {"tableoid", "xmin", "cmin", "xmax", "cmax", "ctid", "oid", ROWID, KEY, EXACT}
)


def quote_sqlite(name: str) -> str:
    """The name as a quoted SQLite identifier, whatever characters it has."""
    return '"' + name.replace('"', '""') + '"'


def postgres_name(name: str, taken: Iterable[str] = ()) -> str:
    """The name itself where Postgres can hold it, otherwise a stable short one.

    A name that is longer than 63 bytes, empty, or in `taken` gets the first characters that fit, an underscore
    and eight hex digits of its own hash; so it is the same in every run and on every machine.
    """
    taken_names = frozenset(taken)
    if 0 < len(name.encode("utf-8", "surrogatepass")) <= POSTGRES_NAME_BYTES and name not in taken_names:
        return name
    for salt in range(100):
        digest = hashlib.sha256(f"{name}\0{salt}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
        short = _cut(name, POSTGRES_NAME_BYTES - 9) + "_" + digest
        if short not in taken_names:
            return short
    raise ValueError(f"no free Postgres name for {name!r}")


def _cut(name: str, size: int) -> str:
    return name.encode("utf-8", "replace")[:size].decode("utf-8", "ignore")
