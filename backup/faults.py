"""Whatever goes wrong with one file is an error of that file, with its name in it: the others go on."""

from __future__ import annotations

import errno
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg2

from backup.integrity import explain
from mirror.errors import SidemirrorError, SourceFault, SourceUnreadable, StateError

TOO_MANY_LOCKS = "53200"  # out of shared memory

REPORT = "please report it, with the lines of ./sidemirror logs backup; its mirror stays, and all other files go on"

log = logging.getLogger(__name__)


@contextmanager
def blamed(file: str) -> Iterator[None]:
    """Everything that is raised in the block leaves as an error of ours that names the file; what the driver of the target
    raises leaves as it is, because that is no fault of the file's."""
    try:
        yield
    except psycopg2.Error:
        raise
    except Exception as error:
        raise fault(file, error) from error


def fault(file: str, error: Exception) -> SidemirrorError:
    """The error as one of this file. One that should not happen goes to the log with its way through the code."""
    if isinstance(error, SidemirrorError):
        return naming(file, error)
    if isinstance(error, sqlite3.Error):
        return naming(file, explain(error, file))
    if isinstance(error, MemoryError):
        return SourceFault(
            f"{file} needs more memory than the sidecar may have",
            "give the sidecar more memory (mem_limit of the service backup), or keep the file out of the folder",
        )
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StateError(f"there is no room in the state folder for a copy of {file}", "make room on that disk")
    if isinstance(error, OSError) and error.strerror and str(error.filename).endswith(file):
        return SourceUnreadable(f"{file} cannot be read: {error.strerror}", "see docs/reading.md")
    if isinstance(error, psycopg2.Error) and error.pgcode == TOO_MANY_LOCKS:
        return SourceFault(
            f"{file} has more new tables than Postgres can take at once ({error.diag.message_primary})",
            "raise max_locks_per_transaction there (64 are enough for about a thousand tables), or keep rows of one kind in "
            "one table; all other files go on",
        )
    if isinstance(error, psycopg2.Error):
        return SourceFault(
            f"{file}: Postgres does not take it: {error.diag.message_primary}",
            f"if somebody has laid a constraint, an index or a trigger on its mirror, drop that; otherwise {REPORT}",
        )
    log.error("An error that should not happen; please report it (at %s)", file, exc_info=error)
    return SourceFault(f"{file}: an unexpected {type(error).__name__} in the sidecar itself", REPORT)


def naming(file: str, error: SidemirrorError) -> SidemirrorError:
    """The error with the file's name in it: what is deep in a database knows the table only."""
    if Path(file).name in error.what:
        return error
    return type(error)(f"{file}: {error.what}", error.hint)
