"""ADBC ingest: the rows as Arrow, which the driver sends as binary COPY."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import adbc_driver_postgresql.dbapi as driver
import pyarrow

from bench.peer import TABLES
from bench.place import Place
from mirror import settings
from mirror.settings import Settings

ROWS_AT_ONCE = 100_000
ARROW = {
    "bigint": pyarrow.int64(),
    "text": pyarrow.string(),
    "double precision": pyarrow.float64(),
    "boolean": pyarrow.bool_(),
}


def ingest(place: Place, database: Path) -> float:
    """Seconds to append both tables, read from SQLite in batches, to tables that are there."""
    began = time.monotonic()
    password = settings.load(Settings).supabase_db_password.get_secret_value()
    with closing(sqlite3.connect(database)) as source, driver.connect(f"{place.url}&password={password}") as target:
        for table, (columns, _) in TABLES.items():
            fields = [column.split(" ", 1) for column in columns.split(", ")]
            schema = pyarrow.schema([(name, ARROW[type]) for name, type in fields])
            batches = _batches(source.execute(f"SELECT * FROM {table}"), schema)
            with target.cursor() as into:
                reader = pyarrow.RecordBatchReader.from_batches(schema, batches)
                into.adbc_ingest(table, reader, mode="append", db_schema_name="peer")
        target.commit()
    return time.monotonic() - began


def _batches(cursor: sqlite3.Cursor, schema: pyarrow.Schema) -> Iterator[pyarrow.RecordBatch]:
    while rows := cursor.fetchmany(ROWS_AT_ONCE):
        columns = zip(zip(*rows, strict=True), schema.types, strict=True)
        arrays = [
            pyarrow.array(map(bool, values) if type == pyarrow.bool_() else values, type) for values, type in columns
        ]
        yield pyarrow.RecordBatch.from_arrays(arrays, schema=schema)
