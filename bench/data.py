"""The data that is measured: a bot's two busiest tables, 1.25 million rows, made the same way each time."""

from __future__ import annotations

import random
import sqlite3
from pathlib import Path

ROWS = 625_000  # in each of the two tables


def make(path: Path, rows: int = ROWS) -> None:
    """Writes a database with a five-column table with a two-column key, and an eight-column table."""
    chance = random.Random(20261122)
    connection = sqlite3.connect(path)
    connection.executescript("""
        PRAGMA journal_mode = WAL;
        CREATE TABLE message_owners (
            message_id INTEGER, chat_id INTEGER, user_id INTEGER NOT NULL, note TEXT, timestamp INTEGER NOT NULL,
            PRIMARY KEY (message_id, chat_id));
        CREATE TABLE payments (
            id INTEGER PRIMARY KEY AUTOINCREMENT, owner_id INTEGER NOT NULL, payment_id TEXT NOT NULL,
            stars_amount INTEGER NOT NULL, rate REAL, status TEXT NOT NULL, created_at INTEGER NOT NULL,
            is_active BOOLEAN DEFAULT 1);
    """)
    connection.executemany(
        "INSERT INTO message_owners VALUES (?, ?, ?, ?, ?)",
        ((i, -100 - i % 977, chance.randrange(10**9), f"message {i % 5000}", 1_700_000_000 + i) for i in range(rows)),
    )
    connection.executemany(
        "INSERT INTO payments VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            (
                i + 1,
                chance.randrange(10**9),
                f"premium-{i:08d}",
                250,
                chance.random(),
                "completed",
                1_700_000_000 + i,
                i % 2,
            )
            for i in range(rows)
        ),
    )
    connection.commit()
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


def change(path: Path, rows: int) -> None:
    """Changes so many rows, spread over both tables, in one commit."""
    chance = random.Random(rows)
    connection = sqlite3.connect(path)
    highest = connection.execute("SELECT max(id) FROM payments").fetchone()[0]
    picked = [(number,) for number in chance.sample(range(1, highest), rows // 2)]
    connection.executemany("UPDATE payments SET status = status || '!' WHERE id = ?", picked)
    connection.executemany("UPDATE message_owners SET timestamp = timestamp + 1 WHERE message_id = ?", picked)
    connection.commit()
    connection.close()
