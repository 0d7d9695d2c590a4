"""The sign of life that the bot's loop leaves, and what the health check reads from it."""

from __future__ import annotations

import sqlite3
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

STALE_AFTER = 15.0
"""Seconds: three times the longest that a busy database keeps one action waiting."""
ANSWER_WITHIN = 2.0

# The monotonic clock is the kernel's: equal in every process, and never set back or forward.


def heartbeat_path() -> Path:
    """Where the heartbeat is kept: in memory, gone with the container."""
    return Path(tempfile.gettempdir()) / "bot.heartbeat"


def beat(path: Path) -> None:
    """Notes that the loop has made progress now."""
    new = path.with_suffix(".new")
    new.write_text(f"{time.monotonic():.3f}\n", encoding="ascii")
    new.replace(path)


def illness(heartbeat: Path, databases: Sequence[Path]) -> str:
    """What is wrong with the bot; empty when it is well."""
    return _stale(heartbeat) or next(filter(None, map(_silent, databases)), "")


def _stale(path: Path) -> str:
    try:
        age = time.monotonic() - float(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return "the bot is not running, or has not reached Telegram yet"
    except ValueError:
        return f"{path} does not hold a time"
    if not 0 <= age <= STALE_AFTER:
        return f"the bot's loop last made progress {age:.0f} s ago (limit {STALE_AFTER:.0f} s)"
    return ""


def _silent(path: Path) -> str:
    # Read-only, so that this process can never checkpoint or create a file beside the bot.
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=ANSWER_WITHIN)) as db:
            tables = db.execute("SELECT count(*) FROM sqlite_schema WHERE type = 'table'").fetchone()[0]
    except sqlite3.Error as error:
        return f"{path} does not answer: {error}"
    return "" if tables else f"{path} has no tables"
