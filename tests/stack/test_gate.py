"""The gate: with the bot writing, back up; stop; destroy; restore; all of it is equal; the bot goes on.

The steps build on each other and run in the order they stand in. What is compared is read by gate_oracle.py.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from fix_stack import NewStack
from stack import Stack, poll

HERE = Path(__file__).parent
TABLES = {
    "premium_system.db": {
        "premium_subscriptions",
        "payment_history",
        "refunds",
        "refunded_groups",
        "pending_payments",
    },
    "user_requests.db": {"user_requests", "command_requests", "message_owners", "linked_messages"},
}

Content = dict[str, Any]


def content(stack: Stack, folder: str) -> Content:
    """The oracle's word on volumes/<folder>."""
    told = stack.as_root("python3", "/tests/gate_oracle.py", f"/volumes/{folder}", tests=HERE)
    found: Content = json.loads(told.stdout)
    return found


def table_rows(source: Content) -> dict[tuple[str, str], set[str]]:
    return {
        (file, table): set(rows)
        for file, database in source.items()
        for table, rows in database["tables"].items()
        if not table.startswith("sqlite_")
    }


COUNT = """
import pathlib, sqlite3
total = 0
for path in pathlib.Path("/data/sqlite").glob("*.db"):
    connection = sqlite3.connect(path, timeout=10)
    names = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
    for (table,) in connection.execute(names).fetchall():
        total += connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
print(total)
"""


def count(stack: Stack) -> int:
    """Rows that the bot has now. A connection beside the bot's own: a copy of files in use could be torn."""
    return int(stack.compose("exec", "-T", "bot", "python3", "-c", COUNT).stdout)


def transaction(stack: Stack) -> int:
    return int(stack.sql("SELECT pg_current_xact_id()")[0][0])


def rows_written_since(stack: Stack, transaction: int) -> dict[str, int]:
    """Rows of the mirror that a later transaction wrote, by table; Postgres's own word, not Sidemirror's."""
    names = stack.sql("SELECT format('%I.%I', schemaname, tablename) FROM pg_tables WHERE schemaname LIKE 'bot\\_%'")
    counts = {}
    for (name,) in names:
        if name.split(".")[1] not in set.union(*TABLES.values()):
            continue
        query = f"SELECT count(*) FROM {name} WHERE xmin::text::bigint >= {transaction}"
        if written := int(stack.sql(query)[0][0]):
            counts[name.split(".")[1]] = written
    return counts


@pytest.fixture(scope="module")
def gate(new_stack: NewStack) -> Stack:
    stack = new_stack("gate")
    stack.script("up")
    return stack


@pytest.fixture(scope="module")
def mirrored() -> dict[str, Content]:
    """What the bot's files held when they were mirrored last; filled by the first step."""
    return {}


def test_1_the_bot_writes_while_a_backup_runs(gate: Stack) -> None:
    poll("the bot has written 100 rows", lambda: count(gate) > 100)
    gate.backup()
    assert gate.health("bot") == "healthy"
    before = count(gate)
    poll("the bot goes on writing after the backup", lambda: count(gate) > before)


def test_2_restore_is_refused_while_the_bot_lives(gate: Stack) -> None:
    files = gate.as_root("stat", "-c", "%n %i", "/volumes/sqlite/premium_system.db").stdout
    refused = gate.script("restore", "--yes", check=False)
    assert refused.returncode not in (0, 1, 2)
    assert "bot" in (refused.stdout + refused.stderr).lower()
    assert gate.as_root("stat", "-c", "%n %i", "/volumes/sqlite/premium_system.db").stdout == files
    assert gate.health("bot") == "healthy"


def test_3_after_the_bot_stopped_a_last_backup_has_everything(gate: Stack, mirrored: dict[str, Content]) -> None:
    gate.script("stop", "bot")
    gate.backup()
    mirrored |= {folder: content(gate, folder) for folder in ("sqlite", "json")}
    found = {file: set(database["tables"]) - {"sqlite_sequence"} for file, database in mirrored["sqlite"].items()}
    assert found == TABLES
    assert "data.json" in mirrored["json"]
    for (file, table), rows in table_rows(mirrored["sqlite"]).items():
        mirror = f"bot_{file.removesuffix('.db')}.{table}"
        assert gate.sql(f"SELECT count(*) FROM {mirror}") == [[str(len(rows))]]


def test_4_the_volumes_are_lost(gate: Stack) -> None:
    gate.script("stop", "backup")
    gate.as_root("rm", "-rf", "/volumes/sqlite", "/volumes/json", "/volumes/state")
    assert sorted(gate.as_root("ls", "/volumes").stdout.split()) == ["ca", "emergency", "notes", "postgres", "secrets"]


def test_5_one_command_brings_everything_back_equal_by_value_class_and_bytes(
    gate: Stack, mirrored: dict[str, Content]
) -> None:
    gate.script("restore", "--yes")
    restored = {folder: content(gate, folder) for folder in ("sqlite", "json")}
    for file, database in mirrored["sqlite"].items():
        assert restored["sqlite"][file]["integrity"] == "[(b'ok',)]"
        assert restored["sqlite"][file]["schema"] == database["schema"]
        assert restored["sqlite"][file]["pragmas"] == database["pragmas"]
        for table, rows in database["tables"].items():
            assert restored["sqlite"][file]["tables"][table] == rows
    assert restored == mirrored


def test_6_the_restored_files_belong_to_the_bot_and_have_no_stale_side_files(gate: Stack) -> None:
    found = gate.as_root("find", "/volumes/sqlite", "/volumes/json", "-type", "f", "-printf", "%f %U\n").stdout
    assert set(found.splitlines()) >= {"premium_system.db 10001", "user_requests.db 10001", "data.json 10001"}
    assert {line.split()[1] for line in found.splitlines()} == {"10001"}
    assert "-wal" not in found
    assert "-shm" not in found


def test_7_the_bot_goes_on_and_the_next_run_sends_only_what_is_new(gate: Stack, mirrored: dict[str, Content]) -> None:
    since = transaction(gate)
    gate.script("up")
    poll(
        "the bot has written 30 more rows",
        lambda: count(gate) > sum(len(rows) for rows in table_rows(mirrored["sqlite"]).values()) + 30,
        90,
    )
    gate.script("stop", "bot")
    gate.backup()
    before, after = table_rows(mirrored["sqlite"]), table_rows(content(gate, "sqlite"))
    new = {
        table: len(rows - before[file, table]) for (file, table), rows in after.items() if rows - before[file, table]
    }
    assert rows_written_since(gate, since) == new
    assert sum(new.values()) < sum(len(rows) for rows in after.values())


def test_8_a_run_with_nothing_new_writes_no_row(gate: Stack) -> None:
    since = transaction(gate)
    gate.backup()
    assert rows_written_since(gate, since) == {}
