"""One SQLite file of the bot: opening it, writing it in transactions, and noticing that it was taken away."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

from bot.errors import DatabaseError

SCHEMA_VERSION = 1
BUSY_TIMEOUT_MS = 5_000
WAL_KEPT_BYTES = 16 * 1024 * 1024

Synchronous = Literal["NORMAL", "FULL"]


class SqliteFile:
    """An open database with its tables made: WAL, foreign keys on, writers wait up to 5 s for each other.

    `synchronous`: FULL makes each commit survive a power cut; NORMAL survives a crash of the process
    and may lose the last commits in a power cut (https://sqlite.org/pragma.html#pragma_synchronous).

    Nothing else in this process may open the file: closing any other descriptor of it would drop
    SQLite's locks (https://sqlite.org/howtocorrupt.html, 2.2).
    """

    def __init__(self, path: Path, schema: str, synchronous: Synchronous) -> None:
        self.path = path
        try:
            self.connection = self._open(schema, synchronous)
        except sqlite3.DatabaseError as error:
            raise _explained(path, error) from error
        self._identity = _identity(path)

    def _open(self, schema: str, synchronous: Synchronous) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=BUSY_TIMEOUT_MS / 1000, isolation_level=None)
        try:
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise DatabaseError(
                    f"{self.path} cannot use a write-ahead log (journal mode stays {mode!r})",
                    "put the folder on a local disk; network file systems cannot hold it",
                )
            connection.execute(f"PRAGMA synchronous = {synchronous}")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA journal_size_limit = {WAL_KEPT_BYTES}")
            _make_tables(connection, self.path, schema)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One write transaction: all of it is kept, or on an exception none of it."""
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            yield self.connection
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:  # a full disk has rolled back already
                with suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
            raise

    def check(self) -> None:
        """Nothing, when the open file is still the one at its path and answers.

        Raises DatabaseError when it was removed or replaced, sqlite3.Error when it does not answer.
        """
        if _identity(self.path) != self._identity:
            raise DatabaseError(
                f"{self.path} was removed or replaced while the bot had it open",
                "stop the bot before touching its files; a fresh start opens what is there now",
            )
        self.connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def close(self) -> None:
        """Ends the connection; the last one to close folds the write-ahead log into the file."""
        self.connection.close()


def _make_tables(connection: sqlite3.Connection, path: Path, schema: str) -> None:
    found = connection.execute("PRAGMA user_version").fetchone()[0]
    if found > SCHEMA_VERSION:
        raise DatabaseError(
            f"{path} has schema version {found}; this bot knows versions up to {SCHEMA_VERSION}",
            "start the newer bot that wrote it, or restore a backup of before",
        )
    # Setting the version writes even where it stays the same, and a start alone should change nothing.
    version = f"PRAGMA user_version = {SCHEMA_VERSION};" if found != SCHEMA_VERSION else ""
    # executescript would commit whatever is open, so the transaction is part of the script.
    connection.executescript(f"BEGIN IMMEDIATE;\n{schema}\n{version}\nCOMMIT;")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def is_lasting(error: sqlite3.Error) -> bool:
    """Whether waiting cannot help: the file is damaged or no database, rather than busy or out of space."""
    return error.sqlite_errorcode & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _explained(path: Path, error: sqlite3.Error) -> DatabaseError:
    hint = (
        "keep the file aside and restore the latest backup; the bot never overwrites a damaged database"
        if is_lasting(error)
        else "check that the bot may write the folder, the disk has room, and nothing locks the file"
    )
    return DatabaseError(f"{path} cannot be opened: {error}", hint)
