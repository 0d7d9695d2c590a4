"""One file that cannot be brought back does not keep the others from coming back: it is left, and named with its reason."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg2
from psycopg2.extensions import cursor as Cursor

from mirror.errors import NotVerified, RestorePartly, SidemirrorError
from restore.plan import Plan
from restore.when import Point, show_time


@dataclass(frozen=True)
class Left:
    """A file that could not be brought back, and why. `older`: a restore point that has it whole; None: none was found."""

    file: str
    destination: Path
    error: SidemirrorError
    older: Point | None = None

    @property
    def what_can_be_had(self) -> str:
        if self.older is not None:
            made = show_time(self.older.at)
            return f"as it was at {made}: ./sidemirror restore --only {self.file} --run {self.older.run}"
        return (
            "an older restore point may have it (./sidemirror restore --list); what the mirror has of it, unproved, is read "
            "with psql: docs/restore-with-psql.md"
        )


@contextmanager
def one_file(cursor: Cursor, file: str, destination: Path, left: list[Left] | None) -> Iterator[None]:
    """What goes wrong with this file in the block is added to `left`; None: it is raised.

    What is wrong with the connection or with this machine's disk is every file's, and is raised.
    """
    if left is None:
        yield
        return
    cursor.execute("SAVEPOINT one_file")
    try:
        yield
    except (NotVerified, psycopg2.Error, sqlite3.Error, ValueError, LookupError, TypeError) as error:
        if cursor.connection.closed or isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError):
            raise
        cursor.execute("ROLLBACK TO SAVEPOINT one_file")
        left.append(Left(file, destination, error if isinstance(error, NotVerified) else _told(file, error)))
    else:
        cursor.execute("RELEASE SAVEPOINT one_file")


def without(plan: Plan, left: list[Left]) -> Plan:
    """The plan for what could be staged. Raises the first file's error where nothing could."""
    files = {one.destination for one in left}
    rest = replace(
        plan,
        databases=tuple(step for step in plan.databases if step.destination not in files),
        documents=tuple(step for step in plan.documents if step.destination not in files),
    )
    if left and not (rest.databases or rest.documents or rest.tables):
        raise left[0].error
    return rest


def partly(plan: Plan, left: tuple[Left, ...]) -> RestorePartly:
    """The error that says what is not back, why, and what can be had of it."""
    count = len(plan.databases) + len(plan.documents)
    reasons = "".join(f"\n  - {one.error.what}" for one in left)
    hints = "; ".join(f"{one.file}: {one.what_can_be_had}" for one in left)
    return RestorePartly(
        f"{count} files of run {plan.run} are back, {len(left)} could not be brought back:{reasons}", hints
    )


def _told(file: str, error: Exception) -> NotVerified:
    said = error.diag.message_primary if isinstance(error, psycopg2.Error) else None
    return NotVerified(
        f"{file} was not restored: {said or f'{type(error).__name__}: {error}'}",
        "somebody may have changed the mirror: choose an older restore point with --run",
    )
