"""The form of a log line, the same in both programs: UTC in ISO 8601, level, the run's id, message; as text or as JSON."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from uuid import UUID, uuid4

from mirror.plain_text import indented, shown_lines

_run: ContextVar[UUID | None] = ContextVar("run", default=None)


@contextmanager
def of_run() -> Iterator[UUID]:
    """Every line inside carries one run's id: the token that sidemirror.runs has for the run, if it comes to one."""
    token = uuid4()
    before = _run.set(token)
    try:
        yield token
    finally:
        _run.reset(before)


def formatter(log_format: str) -> logging.Formatter:
    """`text` for people, `json` for programs."""
    return JsonFormatter() if log_format == "json" else LineFormatter()


class LineFormatter(logging.Formatter):
    """One event, one line; what follows on further lines is indented. In a run its id comes first, in eight characters."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(run)s%(message)s")

    def converter(self, seconds: float | None) -> time.struct_time:
        return time.gmtime(seconds)

    def format(self, record: logging.LogRecord) -> str:
        token = _run.get()
        record.run = f"[{token.hex[:8]}] " if token else ""
        return indented(super().format(record))


class JsonFormatter(LineFormatter):
    """One JSON object for each event: at, level, message; in a run `run`, and for an exception `exception`."""

    def format(self, record: logging.LogRecord) -> str:
        token = _run.get()
        content = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": shown_lines(record.getMessage()),
        }
        if token:
            content["run"] = str(token)
        if record.exc_info:
            content["exception"] = self.formatException(record.exc_info)
        return json.dumps(content, ensure_ascii=False)
