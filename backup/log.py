"""Logs: one readable line for each event, to stdout and to supabase_backup.log in the state folder."""

from __future__ import annotations

import logging
import sys
from logging.handlers import RotatingFileHandler
from pathlib import Path

from mirror.log_line import formatter

LOG_FILE = "supabase_backup.log"
_FILE_BYTES = 1_000_000
_FILES = 5


def set_up(level: str, log_format: str, state_dir: Path | None) -> None:
    """Sends the log to stdout, and into the state folder where there is one that can be written to.

    `log_format`: text or json.
    """
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stdout)]
    try:
        if state_dir is not None:
            handlers.append(RotatingFileHandler(state_dir / LOG_FILE, maxBytes=_FILE_BYTES, backupCount=_FILES))
    except OSError as error:
        handlers[0].handle(
            logging.makeLogRecord(
                {"levelname": "WARNING", "levelno": 30, "name": "log", "msg": f"no log file in {state_dir}: {error}"}
            )
        )
    for handler in handlers:
        handler.setFormatter(formatter(log_format))
    logging.basicConfig(level=level.upper(), handlers=handlers, force=True)
    logging.raiseExceptions = False  # a full disk must not turn a log line into a traceback
