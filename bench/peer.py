"""What Sidemirror is measured against: COPY from a ready-made file, and the upserts that bots' own backups do."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import islice
from pathlib import Path

from psycopg2.extensions import connection as Connection
from psycopg2.extras import execute_values

from bench import measure
from bench.place import Place

TABLES = {
    "message_owners": (
        "message_id bigint, chat_id bigint, user_id bigint, note text, timestamp bigint",
        "message_id, chat_id",
    ),
    "payments": (
        "id bigint, owner_id bigint, payment_id text, stars_amount bigint, rate double precision, status text, "
        "created_at bigint, is_active boolean",
        "id",
    ),
}
# What a backup of the upserting kind sends at once; psycopg2's own default is 100.
ROWS_AT_ONCE = 1000


def write_copy_files(database: Path, folder: Path) -> None:
    """The rows as COPY text, one file for each table."""
    with closing(sqlite3.connect(database)) as connection:
        for table in TABLES:
            with (folder / f"{table}.copy").open("w", encoding="utf-8") as file:
                for row in connection.execute(f"SELECT * FROM {table}"):
                    file.write("\t".join(map(str, row)) + "\n")


def make_tables(connection: Connection) -> None:
    """The mirror's columns and primary keys, empty, in a schema of their own."""
    with connection.cursor() as cursor:
        cursor.execute("CREATE SCHEMA peer")
        for table, (columns, key) in TABLES.items():
            cursor.execute(f"CREATE TABLE peer.{table} ({columns}, PRIMARY KEY ({key}))")


def copy_in(connection: Connection, folder: Path) -> float:
    """Seconds to COPY the ready-made files into the empty tables, in one transaction."""
    began = time.monotonic()
    with connection.cursor() as cursor:
        cursor.execute("BEGIN; SET LOCAL statement_timeout = 0")
        for table in TABLES:
            with (folder / f"{table}.copy").open("rb") as file:
                cursor.copy_expert(f"COPY peer.{table} FROM STDIN", file, size=256 * 1024)
        cursor.execute("COMMIT")
    return time.monotonic() - began


def copy_out(connection: Connection, schema: str) -> float:
    """Seconds to COPY both tables of a schema to nowhere."""
    began = time.monotonic()
    with connection.cursor() as cursor, Path("/dev/null").open("wb") as nowhere:
        for table in TABLES:
            cursor.copy_expert(f"COPY {schema}.{table} TO STDOUT", nowhere)
    return time.monotonic() - began


def upsert(connection: Connection, database: Path, share: int) -> float:
    """Seconds to upsert every `share`-th part of the rows with execute_values, times `share`."""
    began = time.monotonic()
    with closing(sqlite3.connect(database)) as source, connection.cursor() as cursor:
        cursor.execute("BEGIN; SET LOCAL statement_timeout = 0")
        for table, (columns, key) in TABLES.items():
            names = [column.split()[0] for column in columns.split(", ")]
            sets = ", ".join(f"{name} = excluded.{name}" for name in names if name not in key.split(", "))
            query = f"INSERT INTO peer.{table} ({', '.join(names)}) VALUES %s ON CONFLICT ({key}) DO UPDATE SET {sets}"
            (rows,) = source.execute(f"SELECT count(*) FROM {table}").fetchone()
            some = source.execute(f"SELECT * FROM {table} LIMIT ?", (rows // share,))
            for batch in _batches(some):
                execute_values(cursor, query, _typed(table, batch), page_size=ROWS_AT_ONCE)
        cursor.execute("COMMIT")
    return (time.monotonic() - began) * share


def _batches(rows: Iterator[tuple[object, ...]]) -> Iterator[list[tuple[object, ...]]]:
    while batch := list(islice(rows, ROWS_AT_ONCE)):
        yield batch


def _typed(table: str, rows: list[tuple[object, ...]]) -> list[tuple[object, ...]]:
    return [(*row[:-1], bool(row[-1])) for row in rows] if table == "payments" else rows


def pgloader(place: Place, database: Path) -> float:
    """Seconds that pgloader takes for the same database, with its defaults for SQLite: tables, rows, keys, sequences."""
    command = ("pgloader", "--on-error-stop", f"sqlite://{database}", place.url)
    return measure.program(*command, environ=place.with_password).seconds


def pg_dump(place: Place, schema: str) -> float:
    """Seconds to dump a schema to nowhere, in pg_dump's own format without compression."""
    command = ("pg_dump", "--format=custom", "--compress=0", "--no-sync", f"--schema={schema}", "--file=/dev/null")
    return measure.program(*command, place.url, environ=place.with_password).seconds
