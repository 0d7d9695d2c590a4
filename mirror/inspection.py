"""What a private SQLite file really holds: its schema, the content of each table, and the content hash.

A large file is read by two processes, because hashing takes as long as everything else about a restore. (Two threads are
no faster: SQLite counts its memory under one lock for the whole process.) The second one gets jobs on its standard input
and answers each with one line; where it cannot be started or ends early, the first does all of it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
from collections import deque
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from threading import Thread
from urllib.parse import quote

from mirror import sqlite_check
from mirror.content import TableContent, database_hash
from mirror.expressions import register
from mirror.lines import Lines, Part, hashed_as
from mirror.schema import Schema, read_schema
from mirror.stand_ins import closed_on_error, stand_in_for_collations

# A second process starts in a tenth of a second, in which one hashes about this much. Few rows in a large file are large
# values, of which two processes would hold two at a time: a container has 512 MB.
_WORTH_A_SECOND = 16 * 1024 * 1024
_PARTS_WORTH_A_SECOND = 4
_ROWS_A_PART = 1 << 15


@dataclass(frozen=True)
class Inspection:
    """`problems` is what SQLite's integrity check says of more than the rows themselves; empty: nothing."""

    schema: Schema
    contents: dict[str, TableContent]
    content_hash: bytes
    problems: tuple[str, ...]


@dataclass(frozen=True)
class _Job:
    """One part of a table to hash; without a table, the file to check."""

    table: str | None
    part: Part = None


_Answer = TableContent | tuple[str, ...]


def inspect(path: Path, journal_mode: str, check: bool = False) -> Inspection:
    """Reads all of a file that nobody else uses. `journal_mode`: the one its header names; `check`: its integrity, too.

    Raises sqlite3.Error for a damaged file, SourceUnsupported for what cannot be mirrored.
    """
    with closing(_File(path, journal_mode)) as file:
        schema = file.schema
        jobs = [_Job(None)] if check else []
        jobs += [
            _Job(table.name, part) for table in schema.tables for part in file.lines(table.name).parts(_ROWS_A_PART)
        ]
        contents = {table.name: TableContent() for table in schema.tables}
        problems: tuple[str, ...] = ()
        for job, answer in _answers(file, jobs):
            if isinstance(answer, TableContent):
                contents[str(job.table)] = contents[str(job.table)].plus(answer)
            else:
                problems = answer
    return Inspection(schema, contents, database_hash(schema, contents), problems)


def header_journal_mode(path: Path) -> str:
    """wal or delete, from the header's write version (https://www.sqlite.org/fileformat2.html, offset 18)."""
    with path.open("rb") as file:
        header = file.read(20)
    return "wal" if len(header) == 20 and header[18] == 2 else "delete"


class _File:
    """The file, opened to be read; does the jobs."""

    def __init__(self, path: Path, journal_mode: str) -> None:
        self.path = path
        self.journal_mode = journal_mode
        self.connection = sqlite3.connect(f"file:{quote(str(path))}?mode=ro&immutable=1", uri=True)
        with closed_on_error(self.connection):
            self.schema = read_schema(self.connection, journal_mode)
            register(self.connection, self.schema.pragmas.encoding)
            stand_in_for_collations(self.connection)
        self.connection.text_factory = bytes

    def lines(self, name: str) -> Lines:
        table = self.schema.table(name)
        assert table is not None
        return Lines(self.connection, "main", table, hashed_as(table), self.schema.pragmas.encoding)

    def do(self, job: _Job) -> _Answer:
        if job.table is not None:
            return self.lines(job.table).of_part(job.part)
        with closing(sqlite_check.opened(self.path)) as connection:
            return sqlite_check.checked(connection, full=True).unmade

    def close(self) -> None:
        self.connection.close()


def _answers(file: _File, jobs: list[_Job]) -> Iterator[tuple[_Job, _Answer]]:
    """Each job with its answer. Whoever is free takes the next one."""
    waiting, answered = deque(jobs), deque[tuple[_Job, _Answer]]()
    with _second(file, waiting, answered):
        while job := _next(waiting):
            yield job, file.do(job)
    # What the second process was given and did not do is in `waiting` again.
    yield from ((job, file.do(job)) for job in waiting)
    yield from answered


@contextmanager
def _second(file: _File, waiting: deque[_Job], answered: deque[tuple[_Job, _Answer]]) -> Iterator[None]:
    """For the length of the block, and until what it has begun is done, another process takes jobs as well."""
    few = len(waiting) < _PARTS_WORTH_A_SECOND or file.path.stat().st_size < _WORTH_A_SECOND
    if few or len(os.sched_getaffinity(0)) < 2:
        yield
        return
    command = [sys.executable, "-m", __name__, str(file.path), file.journal_mode]
    try:
        other = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        yield
        return
    with other:
        thread = Thread(target=_hand_on, args=(other, waiting, answered))
        thread.start()
        try:
            yield
        except BaseException:
            other.kill()
            raise
        finally:
            thread.join()


def _hand_on(other: subprocess.Popen[str], waiting: deque[_Job], answered: deque[tuple[_Job, _Answer]]) -> None:
    assert other.stdin is not None
    assert other.stdout is not None
    while job := _next(waiting):
        try:
            other.stdin.write(json.dumps([job.table, job.part]) + "\n")
            other.stdin.flush()
            answer = json.loads(other.stdout.readline())
        except (OSError, ValueError):
            waiting.append(job)
            break
        answered.append((job, TableContent(answer[0], int(answer[1], 16)) if job.table is not None else tuple(answer)))
    try:
        other.stdin.close()
    except OSError:
        return


def _next(waiting: deque[_Job]) -> _Job | None:
    try:
        return waiting.popleft()
    except IndexError:
        return None


def _serve(path: Path, journal_mode: str) -> None:
    """The second process."""
    with closing(_File(path, journal_mode)) as file:
        for line in sys.stdin:
            table, part = json.loads(line)
            answer = file.do(_Job(table, part and (part[0], part[1])))
            told = json.dumps([answer.rows, answer.hex] if isinstance(answer, TableContent) else answer)
            sys.stdout.write(f"{told}\n")
            sys.stdout.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2])
