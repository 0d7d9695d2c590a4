"""SQL on its way to the target: statements are gathered and sent together, so that a small run is one round trip."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, count
from typing import Any

from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from backup.patience import of_a_slow_reader
from mirror.errors import SidemirrorError
from mirror.target import LOCAL_SETTINGS
from mirror.values import COPY_OPTIONS, split_sent

# Rows up to this size go inside the statements; more go by COPY, which costs a round trip of its own.
INLINE_BYTES = 512 * 1024
GATHERED_BYTES = 4 * 1024 * 1024
# Up to this size statements go as one, so that they get one answer; an error repeats the text of that one.
QUIET_BYTES = 64 * 1024
# A limit on the time of a statement counts from its beginning, so that one is lifted before it.
_BEGIN = "BEGIN; SET LOCAL statement_timeout = 0;"

CHUNK_BYTES = 256 * 1024


class Script:
    """One transaction. Nothing is kept of it unless `commit` returns."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.begun = False
        self.statements: list[sql.Composable] = [sql.SQL(LOCAL_SETTINGS)]
        self.bytes_sent = 0
        self.gathered = 0
        self.stages = count()

    def new_stage(self) -> str:
        """A name for a temporary table that this transaction has not used yet."""
        return f"sm_stage_{next(self.stages)}"

    def add(self, statement: str, *arguments: object, **names: sql.Composable) -> None:
        """Adds one statement: {} takes an argument as a literal, {name} an identifier or another piece of SQL."""
        literals = [sql.Literal(argument) for argument in arguments]
        self.statements.append(sql.SQL(statement).format(*literals, **names) + sql.SQL(";"))

    def weigh(self, size: int) -> None:
        """Says how many bytes of rows were just added; what is gathered never grows beyond a few megabytes."""
        self.gathered += size
        if self.gathered > GATHERED_BYTES:
            self.flush()

    def flush(self) -> None:
        """Sends what was gathered."""
        self._send(self._gathered(_quiet))

    def ask(self) -> list[tuple[Any, ...]]:
        """Sends what was gathered, and gives the rows that its last statement answers with."""
        self._send(self._gathered(str))
        return self.cursor.fetchall()

    def commit(self) -> None:
        self._send(self._gathered(_quiet), "COMMIT;")

    def roll_back(self) -> None:
        """Sends what was gathered, and keeps nothing of any of it."""
        self._send(self._gathered(_quiet), "ROLLBACK;")

    def _gathered(self, form: Callable[[str], str]) -> str:
        text = sql.SQL("\n").join(self.statements).as_string(self.cursor)
        self.statements = []
        self.gathered = 0
        return form(text) if text else ""

    def _send(self, *parts: str) -> None:
        text = "\n".join(filter(None, parts if self.begun else (_BEGIN, *parts)))
        if text:
            self.begun = True
            self.bytes_sent += len(text.encode())
            self.cursor.execute(text)

    def copy(self, table: sql.Composable, chunks: Iterable[bytes], rows: int, *options: str) -> None:
        """Streams chunks of COPY lines into a table. Raises SidemirrorError unless exactly `rows` rows arrived."""
        self._copy(table, chunks, rows, COPY_OPTIONS, *options)

    def copy_binary(self, table: sql.Composable, chunks: Iterable[bytes], rows: int) -> None:
        """The same with chunks of COPY's binary format."""
        self._copy(table, chunks, rows, "FORMAT binary")

    def _copy(self, table: sql.Composable, chunks: Iterable[bytes], rows: int, *options: str) -> None:
        self.flush()
        command = sql.SQL(f"COPY {{}} FROM STDIN WITH ({', '.join(options)})").format(table)
        stream = _Stream(chunks)
        with of_a_slow_reader(self.cursor.connection):
            self.cursor.copy_expert(command, stream, size=CHUNK_BYTES)
        self.bytes_sent += stream.sent
        require_rows(self.cursor.rowcount, rows)


class _Stream:
    """Chunks of bytes as a file that COPY reads from."""

    def __init__(self, chunks: Iterable[bytes]) -> None:
        self.chunks = iter(chunks)
        self.rest = memoryview(b"")
        self.sent = 0

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes, as COPY asks for them; b"" at the end."""
        while not self.rest:
            chunk = next(self.chunks, None)
            if chunk is None:
                return b""
            self.rest = memoryview(chunk)
        piece = bytes(self.rest[:size])
        self.rest = self.rest[size:]
        self.sent += len(piece)
        return piece

    def readline(self, _size: int = -1, /) -> bytes:
        """COPY never reads lines; the driver wants the method to be there."""
        raise OSError("COPY data is read in pieces")


def _quiet(text: str) -> str:
    """The statements as one that answers with a word: each answer to one of its own is 30 bytes and more of egress."""
    if len(text) > QUIET_BYTES:
        return text
    tag = next(f"sm{number}$" for number in count() if f"sm{number}$" not in text)
    return f"DO $outer_{tag}BEGIN EXECUTE ${tag}{text}${tag}; END$outer_{tag};"


def first_part(chunks: Iterator[bytes]) -> tuple[bytes | None, Iterator[bytes]]:
    """All of the chunks in one piece if they are small; otherwise None, and the chunks to go on with."""
    taken: list[bytes] = []
    size = 0
    for chunk in chunks:
        taken.append(chunk)
        size += len(chunk)
        if size > INLINE_BYTES:
            return None, chain(taken, chunks)
    return b"".join(taken), iter(())


def require_rows(sent: int, expected: int) -> None:
    """Raises SidemirrorError when a table's rows are not all of those that were counted."""
    if sent != expected:
        raise SidemirrorError(
            f"{sent} rows were sent where {expected} were counted; nothing of this run was kept", "please report this"
        )


def values(lines: bytes, types: Sequence[str]) -> sql.Composable:
    """COPY lines as a VALUES list; the first row says the types."""
    rows = []
    for number, line in enumerate(lines.decode("utf-8").removesuffix("\n").split("\n")):
        literals = [sql.Literal(field) for field in split_sent(line)]
        if number == 0:
            casts = zip(literals, types, strict=True)
            rows.append(sql.SQL(", ").join(sql.SQL("{}::" + type).format(literal) for literal, type in casts))
        else:
            rows.append(sql.SQL(", ").join(literals))
    return sql.SQL("VALUES ") + sql.SQL(", ").join(sql.SQL("({})").format(row) for row in rows)
