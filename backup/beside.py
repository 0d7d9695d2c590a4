"""A snapshot beside its shadow: what differs, and how much of the two has to be looked at to know it."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass

from backup import budget, snapshot
from backup.btree import Ranges, Unclear
from backup.changes import TableChange
from backup.compare import compare
from backup.full_check import check_bytes, check_carried_content
from backup.integrity import check
from backup.pair import Pair
from backup.ranges import changed_ranges
from backup.shadows import Shadows
from backup.snapshot import Snapshot
from backup.soundness import Soundness
from backup.sums import Damaged
from mirror.catalog import CatalogDatabase
from mirror.content import TableContent
from mirror.errors import ShadowDiffers
from mirror.schema import Schema
from mirror.schema_rebuild import schema_without_data

# More changed pages than this, and more than a quarter of all: whole tables are compared faster.
FEW_PAGES = 1000

# Results that say nothing of the shadow (https://www.sqlite.org/rescode.html). A page that cannot be read does: IOERR.
_PASSING = frozenset(
    (
        sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_NOMEM, sqlite3.SQLITE_INTERRUPT, sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PROTOCOL,
    )
)  # fmt: skip

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Compared:
    """`known`: as it really is in the target. `changed`: the pages in which snapshot and shadow differ, where known."""

    known: CatalogDatabase | None
    pair: Pair
    tables: tuple[TableChange, ...]
    unchanged: dict[str, TableContent]
    changed: frozenset[int] | None


class CopyDamaged(Exception):
    """The snapshot is not to be believed either."""


def compared(
    shadows: Shadows,
    stack: ExitStack,
    copy: Snapshot,
    schema: Schema,
    known: CatalogDatabase | None,
    rebuilt: Callable[[CatalogDatabase], CatalogDatabase],
    full: bool,
) -> Compared:
    """A shadow that is lost or damaged is made again: the snapshot has been checked. Raises SourceCorrupt; and CopyDamaged
    where the snapshot was made of what is damaged, and has to be taken again, whole.

    What passes by itself (no memory, no room) is no damage: it is tried once more, and then raised as sqlite3.Error.
    """
    if known is not None and shadows.has(known):
        try:
            try:
                return _with_shadow(shadows, stack, copy, schema, known, copy.changed, full)
            except sqlite3.Error as error:
                if not _passing(error) or budget.exceeded(error):
                    raise
                log.warning("%s could not be compared with its shadow (%s); it is tried again", known.file, error)
            return _with_shadow(shadows, stack, copy, schema, known, copy.changed, full)
        except Damaged as error:
            if shadows.is_sound(known):
                log.warning("the last copy of %s is damaged (%s); it is copied whole", known.file, error)
            else:
                log.warning("the shadow of %s is damaged (%s); it is made again from the target", known.file, error)
                shadows.forget(known)
            if copy.changed is not None:
                raise CopyDamaged from error
        except (sqlite3.Error, ShadowDiffers) as error:
            if budget.exceeded(error) or (isinstance(error, sqlite3.Error) and _passing(error)):
                raise
            log.warning("the shadow of %s is damaged (%s); it is made again from the target", known.file, error)
            shadows.forget(known)
            if copy.changed is not None:
                check(copy.path, known.file, full=False)
    if known is not None:
        known = rebuilt(known)
    return _with_shadow(shadows, stack, copy, schema, known, None, full)


def _passing(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING


def _with_shadow(
    shadows: Shadows,
    stack: ExitStack,
    copy: Snapshot,
    schema: Schema,
    known: CatalogDatabase | None,
    changed: frozenset[int] | None,
    full: bool,
) -> Compared:
    shadow = shadows.path(known.file, known.token) if known else None
    shadow_schema = schema_without_data(known.schema_rows, known.pragmas) if known else None
    soundness = _soundness(shadows, stack, copy, known, changed)
    if full:
        soundness.check_file("shadow")
    pair = Pair(copy.path, schema, shadow, shadow_schema, soundness)
    stack.callback(pair.close)
    budget.hold(pair.connection, copy.path)
    ranges: dict[str, Ranges] = {}
    if known is not None and shadow is not None and changed is not None:
        ranges = _ranges(pair, soundness, changed)
        _check_the_rest(copy, known.file, schema, ranges)
    tables, unchanged = compare(pair, known, ranges)
    if full:
        check_carried_content(pair, tables, unchanged)
        if shadow is not None and pair.comparable:
            check_bytes(copy.path, shadow, unchanged)
    return Compared(known, pair, tables, unchanged, changed)


def _soundness(
    shadows: Shadows, stack: ExitStack, copy: Snapshot, known: CatalogDatabase | None, changed: frozenset[int] | None
) -> Soundness:
    """A snapshot that was copied whole is believed: its sums are made of what was read back."""
    files = {"main": (copy.path, copy.sums)} if changed is not None else {}
    sums = shadows.sums(known) if known else None
    if known is not None and sums is not None:
        files["shadow"] = (shadows.path(known.file, known.token), sums)
    return Soundness(stack, files)


def _ranges(pair: Pair, soundness: Soundness, changed: frozenset[int]) -> dict[str, Ranges]:
    """Where each table can differ. What is looked at for that is checked on the way; what is not named here was not."""
    was, now = soundness.pages.get("shadow"), soundness.pages.get("main")
    if not pair.comparable or was is None or now is None or len(changed) > max(FEW_PAGES, now.count // 4):
        return {}
    try:
        return changed_ranges(pair, was, now, changed)
    except Unclear as error:
        log.debug("whole tables are compared: %s", error)
        return {}


def _check_the_rest(copy: Snapshot, file: str, schema: Schema, ranges: dict[str, Ranges]) -> None:
    """SQLite's own check, of the tables that are compared whole. A small file has been checked whole already."""
    if copy.path.stat().st_size <= snapshot.SMALL_BYTES:
        return
    if not ranges:
        check(copy.path, file, full=False)
        return
    for table in schema.tables:
        if table.name not in ranges:
            check(copy.path, file, full=False, table=table.name)
