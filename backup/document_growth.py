"""Older versions of documents have a share of the target, and no more: a bot that writes a large file anew each second would
fill a free plan within minutes, long before RETENTION thins anything.

Beyond the share, restore points are kept more sparsely than RETENTION says: one a minute, then one an hour, then one a day.
"""

from __future__ import annotations

import logging

from psycopg2.extensions import connection as Connection

from backup.thin import target_time, thin
from mirror.retention import Rule, sparser

SHARE = 5  # one part of so many of TARGET_SIZE_LIMIT
_LOOK_AT = 8  # after a part of so many of the room was sent

log = logging.getLogger(__name__)


def worth_a_look(sent: int, size_limit: int) -> bool:
    """Whether so many bytes of documents can have made a difference."""
    return sent > size_limit // SHARE // _LOOK_AT


def keep_within(connection: Connection, source: str, rules: tuple[Rule, ...], size_limit: int) -> int:
    """Thins until what only older versions need takes no more than its share, or nothing is left to thin; gives how many
    restore points went."""
    room = size_limit // SHARE
    gone = 0
    for granularity in ("minutely", "hourly", "daily"):
        before = _older_bytes(connection, source)
        if before <= room:
            break
        went = thin(connection, source, sparser(rules, granularity), target_time(connection))
        gone += went
        if went:
            log.info(
                "Older versions of documents took %.0f MB, more than a fifth of TARGET_SIZE_LIMIT: %d restore points went, "
                "one is kept %s",
                before / 1e6, went, {"minutely": "a minute", "hourly": "an hour", "daily": "a day"}[granularity],
            )  # fmt: skip
    if gone:
        with connection.cursor() as cursor:  # the room is used again at once, and not when the server comes by
            cursor.execute("VACUUM (SKIP_LOCKED) sidemirror.document_chunks")
    return gone


def _older_bytes(connection: Connection, source: str) -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT sidemirror.older_document_bytes(id) FROM sidemirror.sources WHERE name = %s", (source,))
        return sum(int(size) for (size,) in cursor.fetchall())
