"""The shrink guard: a change set that would take most of a database away waits until a person says that it is meant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from backup.changes import TableChange, TableChanged, TableCreated, TableDropped
from backup.pair import Pair
from mirror.errors import GuardHeld

SMALL_TABLE_ROWS = 100


def check(
    file: str,
    changes: tuple[TableChange, ...],
    shrink: float | None,
    most: Mapping[str, int],
    restored: Mapping[str, int] | None = None,
    moved: frozenset[str] = frozenset(),
) -> None:
    """Raises GuardHeld when the changes drop a table that has rows, or leave less of one than the guard lets go.

    A table of 100 rows or more may lose the share `shrink` of the most rows that it had in the last day (`most`, see
    days_most.py), so that many small steps count as one. `shrink` None: the guard is off, or a person has accepted.
    `restored`: the rows of each table at the restore point that a person has gone back to; what the restore itself took
    away is meant. `moved`: tables whose rows are all there, under another name.
    """
    if shrink is None:
        return
    if restored is not None:
        changes = tuple(_after_restore(change, restored) for change in changes if not _gone(change, restored))
        most = {name: min(rows, restored.get(name, 0)) for name, rows in most.items()}
    created = {change.table.name: change for change in changes if isinstance(change, TableCreated)}
    reasons = []
    for change in changes:
        if not isinstance(change, TableCreated) and change.known.mirror.name in moved:
            continue
        if isinstance(change, TableDropped):
            again = created.get(change.known.mirror.name)
            reasons += _dropped(change, again, most, shrink)
        elif isinstance(change, TableChanged):
            reasons += _shrunk(change, most, shrink)
    if reasons:
        raise GuardHeld(
            f"{file} is held, nothing of it was mirrored: {'; '.join(reasons)}",
            "if that is meant, let it through with: ./sidemirror accept (older restore points keep what goes); if not, "
            "bring the rows back with: ./sidemirror restore",
        )


def _gone(change: TableChange, restored: Mapping[str, int]) -> bool:
    """Whether it is a table that there was not yet at the restore point."""
    return isinstance(change, TableDropped) and change.known.mirror.name not in restored


def _after_restore(change: TableChange, restored: Mapping[str, int]) -> TableChange:
    """The change as it is from the restore point on."""
    if isinstance(change, TableCreated):
        return change
    known = change.known
    rows = min(known.content.rows, restored.get(known.mirror.name, 0))
    return replace(change, known=replace(known, content=replace(known.content, rows=rows)))


def moved(pair: Pair, changes: tuple[TableChange, ...]) -> frozenset[str]:
    """The tables all of whose rows are in a new table now: one that was renamed while another took its name."""
    created = [change for change in changes if isinstance(change, TableCreated)]
    return frozenset(
        change.known.mirror.name
        for change in changes
        if not isinstance(change, TableCreated)
        and any(
            new.rows == change.known.content.rows and pair.content(new.table) == change.known.content for new in created
        )
    )


def missing(file: str, mirrored: str) -> GuardHeld:
    """The error for a database or document that was mirrored and is not there any more. `mirrored`: what the mirror has."""
    return GuardHeld(
        f"{file} is not there any more; its mirror stays as it was ({mirrored})",
        "bring it back with: ./sidemirror restore; or, if it was removed on purpose: ./sidemirror accept, which takes it "
        "out of the mirror (older restore points keep it). Of files that come and go by themselves it is not asked again "
        "with: ./sidemirror accept --always NAME, or TRANSIENT in .env",
    )


def left_out(file: str, mirrored: str) -> GuardHeld:
    """The error for what was mirrored, and is named by EXCLUDE now."""
    return GuardHeld(
        f"{file} is left out by EXCLUDE; its mirror stays as it was ({mirrored})",
        "if it is no more to be mirrored: ./sidemirror accept, which takes it out of the mirror (older restore points keep "
        "it); otherwise correct EXCLUDE in .env",
    )


def _dropped(change: TableDropped, again: TableCreated | None, most: Mapping[str, int], shrink: float) -> list[str]:
    name, rows = change.known.mirror.name, change.known.content.rows
    before = max(rows, most.get(name, 0))
    if again is not None:
        if again.rows < rows and too_many(before, again.rows, shrink):
            return [f"table {name} would be made anew, with {again.rows} rows instead of {rows}{_once(rows, before)}"]
        return []
    # A table that came and went without a row between two runs is how migrations work.
    if name.startswith("sqlite_") or (rows == 0 and before < SMALL_TABLE_ROWS):
        return []
    return [f"table {name} with {rows} rows{_once(rows, before)} would be dropped"]


def _shrunk(change: TableChanged, most: Mapping[str, int], shrink: float) -> list[str]:
    name, rows, left = change.known.mirror.name, change.known.content.rows, change.content.rows
    before = max(rows, most.get(name, 0))
    if left >= rows or not too_many(before, left, shrink):
        return []
    return [f"table {change.table.name} would go from {rows} rows to {left}{_once(rows, before)}"]


def _once(rows: int, before: int) -> str:
    return f" ({before} in the last day)" if before > rows else ""


def too_many(before: int, after: int, shrink: float) -> bool:
    return before >= SMALL_TABLE_ROWS and before - after > shrink * before
