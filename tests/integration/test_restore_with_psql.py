"""docs/restore-with-psql.md: its commands, typed as they stand, give the rows and documents that the bot had."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path
from typing import Any

import oracle
import pytest
from fix_source import Source
from fix_target import Target, read_password

PAGE = Path(__file__).resolve().parents[2] / "docs/restore-with-psql.md"
BLOCKS = re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.S)

HISTORY = """
CREATE TABLE payment_history (
    id INTEGER PRIMARY KEY, owner_id INTEGER, status TEXT, stars REAL, done BOOLEAN, price NUMERIC, photo BLOB, note,
    shout TEXT AS (upper(status)) -- computed
);
CREATE INDEX by_owner ON payment_history (owner_id) WHERE owner_id > 0;
CREATE TRIGGER keep AFTER DELETE ON payment_history BEGIN SELECT 'it''s gone'; END;
INSERT INTO payment_history (id, owner_id, status, stars, done, price, photo, note) VALUES
    (1, 7, 'it''s', 1.5, 1, 2.25, x'00ff', NULL), (2, 'toto', x'41', 9e999, 2, 'many', 5, 1.0),
    (3, NULL, 'a' || char(0) || 'b', -0.0, 0, -9e999, NULL, ''),
    (4, -9223372036854775808, CAST(x'ff' AS TEXT), 5.0, NULL, 7, '', '1'),
    (5, 1, 'lines' || char(13, 10) || 'and \\n back\\slashes', 0.1, 1, 1e300, x'', 'é🦊'),
    (6, 2, '', -1e-5, 0, 0, x'ab', x'cd');
CREATE TABLE "odd ""name'" (a, "b c'" TEXT, k TEXT, PRIMARY KEY (k));
INSERT INTO "odd ""name'" (rowid, a, "b c'", k) VALUES (70, 1, 'x', 'a'), (-3, NULL, NULL, NULL), (5, 2.0, '''', 'b');
CREATE TABLE keyed (k, j, PRIMARY KEY (k, j)) WITHOUT ROWID;
INSERT INTO keyed VALUES ('a', 1), ('a', 1.5), (x'00', 'b');
"""


@pytest.fixture(scope="module")
def bot(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A source named bot with three restore points; `points` has a copy of each."""
    source = Source(tmp_path_factory.mktemp("psql"), target, SOURCE_NAME="bot")
    source.write(HISTORY, "premium_system.db")
    (source.json / "data.json").write_bytes('{"then": "é"}\n'.encode())
    source.point()
    source.write(
        "UPDATE payment_history SET note = 'later', owner_id = 'x' WHERE id IN (1, 4); DELETE FROM keyed; "
        "DELETE FROM payment_history WHERE id = 2; INSERT INTO payment_history (id) VALUES (10); "
        "UPDATE \"odd \"\"name'\" SET a = 'new' WHERE k = 'b'",
        "premium_system.db",
    )
    (source.json / "data.json").write_bytes(b"[1,\r\n 2]")
    source.point()
    source.write("ALTER TABLE payment_history ADD COLUMN more; DROP TABLE keyed", "premium_system.db")
    source.point()
    return source


def typed(bot: Source, folder: Path, *replacements: tuple[str, str]) -> dict[str, str]:
    """What each block said, run in order in one folder. The first one names somebody else's place."""
    environ = bot.target.environ
    dsn = {
        "host": environ["SUPABASE_DB_HOST"],
        "port": environ["SUPABASE_DB_PORT"],
        "user": environ.get("SUPABASE_DB_USER", "postgres"),
        "dbname": bot.target.name,
        "sslmode": environ.get("SUPABASE_DB_SSLMODE", "verify-full"),
        "sslrootcert": environ["SUPABASE_DB_SSLROOTCERT"],
    }
    variables = {
        **os.environ,
        "DSN": " ".join(f"{name}={value}" for name, value in dsn.items()),
        "PGPASSWORD": read_password(environ),
    }
    told = {}
    for block in BLOCKS[1:]:
        script = block
        for old, new in replacements:
            script = script.replace(old, new)
        result = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script], cwd=folder, env=variables, capture_output=True, text=True
        )
        assert (result.returncode, result.stderr) == (0, ""), f"{block}\n{result.stderr}"
        told[block] = result.stdout
    return told


def described(path: Path, name: str) -> tuple[list[Any], list[Any]]:
    """A table's rows by value and class, and what belongs to it in the schema."""
    with closing(oracle.open_private(path)) as connection:
        schema = connection.execute(
            "SELECT type, name, sql FROM sqlite_schema WHERE tbl_name = ? ORDER BY 1, 2", (name,)
        )
        return oracle.rows(connection, name.encode()), schema.fetchall()


@pytest.mark.parametrize("run", [1, 2, 3])
def test_the_page_gives_back_what_was_there(bot: Source, tmp_path: Path, run: int) -> None:
    told = typed(bot, tmp_path, ("run=1", f"run={run}"), ("run <= 1 ", f"run <= {run} "))
    kept = bot.points[run]["premium_system.db"]
    assert described(tmp_path / "recovered.db", "payment_history") == described(kept, "payment_history")
    [listing, *_] = told.values()
    assert "premium_system.db" in listing
    with (tmp_path / "payment_history.csv").open(newline="", encoding="utf-8") as file:
        assert [row["id"] for row in csv.DictReader(file)] == ["1", "3", "4", "5", "6", "10"]
    rows = [json.loads(line) for line in (tmp_path / "payment_history.jsonl").read_text(encoding="utf-8").splitlines()]
    with closing(sqlite3.connect(kept)) as connection:
        assert {row["id"] for row in rows} == {key for (key,) in connection.execute("SELECT id FROM payment_history")}
    then = '{"then": "é"}\n'.encode() if run == 1 else b"[1,\r\n 2]"
    assert (tmp_path / "data-then.json").read_bytes() == then
    assert (tmp_path / "data.json").read_bytes() == b"[1,\r\n 2]"


@pytest.mark.parametrize(("name", "run"), [("odd \"name'", 1), ("odd \"name'", 3), ("keyed", 1), ("keyed", 2)])
def test_other_tables_as_well(bot: Source, tmp_path: Path, name: str, run: int) -> None:
    quoted = name.replace("'", "'\\''")
    typed(bot, tmp_path, ("table=payment_history", f"table='{quoted}'"), ("run=1", f"run={run}"))
    assert described(tmp_path / "recovered.db", name) == described(bot.points[run]["premium_system.db"], name)
