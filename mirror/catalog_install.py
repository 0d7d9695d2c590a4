"""The catalog's making, and the way from an older version of it to this program's.

Tables change in ordered steps, sql/steps/NNNN-name.sql, each of which makes one version out of the one before. Functions are
made anew as this program has them, sql/*.sql, whenever a step was taken.
"""

from __future__ import annotations

from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extensions import cursor as Cursor

from mirror.errors import TargetRefused
from mirror.target import LOCAL_SETTINGS

_FOLDER = Path(__file__).with_name("sql")
_STEPS = tuple(sorted(_FOLDER.glob("steps/*.sql")))
# In this order, because a function in the language SQL is checked when it is made; the last one closes all of it.
_FUNCTIONS = ("reader", "private", "shapes", "state", "history", "writing", "documents", "thinning", "seal")

VERSION = len(_STEPS)
_NAMES = {step.stem.partition("-")[2]: number for number, step in enumerate(_STEPS, start=1)}
DOCUMENT_CHUNKS = _NAMES["document-chunks"]  # from here on a document is a list of pieces; before, it was one value
HOLDS_POINTS = _NAMES["thinning"]  # from here on a point that is read is not thinned out meanwhile


def require_readable(version: int) -> None:
    """Raises TargetRefused for a catalog that a newer program has made; an older one can be read as it is."""
    if version > VERSION:
        raise TargetRefused(
            f"the target's catalog has version {version}, this program knows {VERSION}",
            "use the same or a newer version of Sidemirror than the one that wrote the target",
        )


def install(connection: Connection) -> tuple[int, int]:
    """Makes the catalog where there is none, or brings an older one to this version; gives the version before and now.

    One transaction: all of it or nothing. Two at once wait for each other. Raises TargetRefused for a newer catalog.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            f"BEGIN; {LOCAL_SETTINGS} SELECT pg_advisory_xact_lock(hashtextextended('sidemirror catalog', 0));"
        )
        before = _version(cursor)
        if before > VERSION:
            cursor.execute("ROLLBACK")
        require_readable(before)
        for number, step in enumerate(_STEPS[before:], start=before + 1):
            cursor.execute(step.read_text(encoding="utf-8"))
            cursor.execute("UPDATE sidemirror.version SET version = %s", (number,))
        if before < VERSION:
            for name in _FUNCTIONS:
                cursor.execute((_FOLDER / f"{name}.sql").read_text(encoding="utf-8"))
        cursor.execute("COMMIT")
    return before, VERSION


def _version(cursor: Cursor) -> int:
    """0 where there is no catalog."""
    cursor.execute("SELECT to_regclass('sidemirror.version')")
    if cursor.fetchone() == (None,):
        return 0
    cursor.execute("SELECT version FROM sidemirror.version")
    [(version,)] = cursor.fetchall()
    return int(version)
