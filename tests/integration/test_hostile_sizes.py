"""Files that say that they are endless, or are made to cost more than they weigh: each refuses itself alone, and soon."""

from __future__ import annotations

import hashlib
import os
import random
import struct
import subprocess
from pathlib import Path

import pytest
from fix_source import Source
from restoring import another_process, fill

from mirror.errors import SourceFault

TERABYTE = 1 << 40
SECONDS = 120  # far more than it takes


def once(source: Source) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        source.command("once"), env=source.process_environ, capture_output=True, text=True, timeout=SECONDS
    )


def refused_alone(source: Source, file: str, others: list[str]) -> str:
    """A run names the file and mirrors all others; nothing of the file stays in the state folder. Gives what it said."""
    done = once(source)
    said = done.stdout + done.stderr
    assert (done.returncode, file in said) == (3, True), said
    state = source.read_state()
    assert sorted([d.file for d in state.databases] + [d.file for d in state.documents]) == others
    left = sum(path.stat().st_blocks * 512 for path in source.state.rglob("*") if path.is_file())
    assert left < 5_000_000, sorted(source.state.rglob("*"))
    return said


def header_says(path: Path, pages: int) -> None:
    """The database's own header names so many pages, in a way that SQLite believes (fileformat2.html, section 1.3.7)."""
    with path.open("r+b") as file:
        counter = os.pread(file.fileno(), 4, 24)
        os.pwrite(file.fileno(), pages.to_bytes(4, "big"), 28)
        os.pwrite(file.fileno(), counter, 92)


@pytest.mark.parametrize("mode", ["DELETE", "WAL"])
@pytest.mark.parametrize("believed", [True, False])
def test_a_database_of_a_terabyte_of_nothing_refuses_itself_alone(source: Source, mode: str, believed: bool) -> None:
    fill(source)
    fill(source, mode, "evil.db")
    if believed:
        header_says(source.sqlite / "evil.db", TERABYTE // 4096)
    os.truncate(source.sqlite / "evil.db", TERABYTE)
    refused_alone(source, "evil.db", ["bot.db"])


@pytest.mark.parametrize("suffix", ["-wal", "-shm", "-journal"])
def test_a_side_file_of_a_terabyte_of_nothing_refuses_its_database_alone(source: Source, suffix: str) -> None:
    fill(source)
    fill(source, "WAL", "evil.db")
    Path(f"{source.sqlite / 'evil.db'}{suffix}").touch()
    os.truncate(f"{source.sqlite / 'evil.db'}{suffix}", TERABYTE)
    refused_alone(source, "evil.db", ["bot.db"])


def checksum(words: bytes) -> bytes:
    """Of a WAL index's header (https://www.sqlite.org/walformat.html), in this machine's byte order."""
    one = two = 0
    for first, second in struct.iter_unpack("=II", words):
        one = (one + first + two) & 0xFFFFFFFF
        two = (two + second + one) & 0xFFFFFFFF
    return struct.pack("=II", one, two)


def test_an_index_of_a_log_that_says_a_terabyte_refuses_its_database_alone(source: Source) -> None:
    fill(source)
    fill(source, "WAL", "evil.db")
    with another_process(source.sqlite / "evil.db", "UPDATE t SET a = 'x' WHERE id = 1"):
        header_says(source.sqlite / "evil.db", TERABYTE // 4096)
        with (source.sqlite / "evil.db-shm").open("r+b") as index:
            header = bytearray(os.pread(index.fileno(), 48, 0))
            assert checksum(header[:40]) == header[40:]
            struct.pack_into("=I", header, 20, TERABYTE // 4096)
            header[40:] = checksum(header[:40])
            os.pwrite(index.fileno(), header * 2, 0)
        assert "its log says that it is" in refused_alone(source, "evil.db", ["bot.db"])


def test_a_document_of_a_terabyte_of_nothing_refuses_itself_alone(source: Source) -> None:
    fill(source)
    (source.json / "evil.json").touch()
    os.truncate(source.json / "evil.json", TERABYTE)
    refused_alone(source, "evil.json", ["bot.db"])


DOCUMENTS = {
    "one key again and again": "{" + ",".join(['"":0'] * 400_000) + "}",
    "a key for each value": "{" + ",".join(f'"{number:x}":0' for number in range(300_000)) + "}",
    "lists of nothing": "[" + ",".join(["[]"] * 500_000) + "]",
    "more keys than jsonb is given": "{" + ",".join(f'"{number:x}":0' for number in range(700_000)) + "}",
}


@pytest.mark.parametrize("what", DOCUMENTS)
def test_a_document_that_costs_more_than_it_weighs_is_mirrored_and_given_back(source: Source, what: str) -> None:
    (source.json / "keys.json").write_text(DOCUMENTS[what])
    done = once(source)
    assert done.returncode == 0, done.stdout + done.stderr
    [document] = source.read_state().documents
    assert document.sha256 == hashlib.sha256(DOCUMENTS[what].encode()).hexdigest()


def make_tables(source: Source, file: str, count: int) -> None:
    with source.database(file) as connection:
        connection.execute("BEGIN")
        for number in range(count):
            connection.execute(f"CREATE TABLE t{number} (a)")
        connection.execute("COMMIT")


NO_LOCKS = """
CREATE FUNCTION public.out_of_locks() RETURNS trigger LANGUAGE plpgsql AS
    $$BEGIN RAISE EXCEPTION 'out of shared memory' USING ERRCODE = '53200'; END$$;
CREATE TRIGGER no_locks BEFORE INSERT ON {schema}.t FOR EACH ROW EXECUTE FUNCTION public.out_of_locks();
"""


def test_a_database_for_which_postgres_has_no_locks_left_is_refused_alone(source: Source) -> None:
    """As with more tables than it can lock, which takes longer: below."""
    for file in ("many.db", "good.db"):
        fill(source, file=file)
    source.run()
    many = source.read_state().database("many.db")
    assert many is not None
    source.target.query(NO_LOCKS.format(schema=many.schema_name))
    for file in ("many.db", "good.db"):
        source.write("INSERT INTO t VALUES (1000, 'x', 'y')", file)
    report = source.try_run()
    [refusal] = report.refusals
    assert (refusal.file, type(refusal.error), report.counts.upserted) == ("many.db", SourceFault, 1)
    assert "many.db has more new tables than Postgres can take at once" in refusal.error.what


@pytest.mark.nightly
def test_a_database_of_thousands_of_tables_refuses_itself_alone(source: Source) -> None:
    fill(source)
    make_tables(source, "evil.db", 4000)
    assert "evil.db has more new tables than Postgres can take at once" in refused_alone(source, "evil.db", ["bot.db"])


def test_a_table_with_a_definition_of_megabytes_decides_for_no_other(source: Source) -> None:
    """SQLite itself takes a statement of a megabyte (SQLITE_LIMIT_SQL_LENGTH), a schema of any number of them."""
    fill(source)
    with source.database("evil.db") as connection:
        for number in range(8):
            connection.execute(f"CREATE TABLE t{number} (a DEFAULT '{'x' * 900_000}')")
    done = once(source)
    assert done.returncode in (0, 3), done.stdout + done.stderr
    assert "bot.db" in [database.file for database in source.read_state().databases]


def test_hundreds_of_files_are_hundreds_of_documents(source: Source) -> None:
    """Their number ends nothing: 5,000 were tried by hand."""
    for number in range(150):
        (source.json / f"{number}.json").write_text(str(number))
    source.run()
    assert len(source.read_state().documents) == 150


def poked(chance: random.Random, content: bytes, first: int, last: int) -> bytes:
    """The bytes with a few of them, between these places, turned into others."""
    changed = bytearray(content)
    for _ in range(chance.choice((1, 4, 40))):
        changed[chance.randrange(first, min(last, len(changed)))] = chance.choice((0, 1, 0x7F, 0x80, 0xFF))
    return bytes(changed)


@pytest.mark.parametrize("seed", range(3))
def test_logs_and_indexes_that_lie_are_read_as_they_are_or_refused_alone(source: Source, seed: int) -> None:
    """The WAL and the WAL index of a bot that went down; the run that read them before knows a position in them."""
    chance = random.Random(seed)
    fill(source)
    evil = source.sqlite / "evil.db"
    fill(source, "WAL", "evil.db")
    with another_process(evil, "UPDATE t SET a = 'x' WHERE id < 9"):
        source.run()
        with source.database("evil.db") as bot:
            bot.execute("UPDATE t SET a = 'y' WHERE id > 250")
    sides = {suffix: Path(f"{evil}{suffix}").read_bytes() for suffix in ("-wal", "-shm")}
    for number in range(6):
        for suffix, last in (("-wal", 4200), ("-shm", 136 if number % 2 else 32768)):
            side = Path(f"{evil}{suffix}")
            side.write_bytes(poked(chance, sides[suffix], 0, last) if chance.random() < 0.7 else sides[suffix])
        source.write(f"INSERT INTO t VALUES ({1000 + number}, 'good', NULL)")
        report = source.try_run()
        assert {refusal.file for refusal in report.refusals} <= {"evil.db"}, (seed, number, report.refusals)
        good = source.read_state().database("bot.db")
        assert good is not None
        assert {table.mirror.name: table.content.rows for table in good.tables} == {"t": 301 + number, "k": 3}


@pytest.mark.parametrize("seed", range(3))
def test_trees_that_lead_in_circles_are_refused_alone(source: Source, seed: int) -> None:
    """Pages of a bot's file that point to each other: a run's own page reader sees them, after SQLite has."""
    chance = random.Random(seed)
    fill(source)
    fill(source, file="evil.db")
    source.write("INSERT INTO t SELECT id + 1000, hex(randomblob(2500)), NULL FROM t", "evil.db")
    source.run()
    evil = source.sqlite / "evil.db"
    sound = evil.read_bytes()
    pages = len(sound) // 4096
    for number in range(6):
        content = bytearray(sound)
        for _ in range(chance.choice((1, 3, 20))):
            page = chance.randrange(1, pages)
            at = page * 4096 + chance.choice(
                (0, 8, chance.randrange(12, 4096))
            )  # an overflow page, a right child, a cell
            content[at : at + 4] = chance.randrange(1, pages + 1).to_bytes(4, "big")
        os.pwrite(file := os.open(evil, os.O_WRONLY), content, 0)
        os.close(file)
        source.write(f"INSERT INTO t VALUES ({1000 + number}, 'good', NULL)")
        report = source.try_run()
        assert {refusal.file for refusal in report.refusals} <= {"evil.db"}, (seed, number, report.refusals)
