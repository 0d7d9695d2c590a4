"""The form of a log line, the same in both programs: UTC in ISO 8601, level, message."""

from __future__ import annotations

import logging
import time


class LineFormatter(logging.Formatter):
    """One event, one line; what follows on further lines is indented."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def converter(self, seconds: float | None) -> time.struct_time:
        return time.gmtime(seconds)

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace("\n", "\n    ")
