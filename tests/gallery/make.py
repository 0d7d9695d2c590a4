"""The gallery as files, for the tests of the running containers: python -m gallery.make FOLDER make|change."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

import gallery


def main(folder: str, step: str) -> None:
    """Makes or changes one database for each case, by a process that is not the sidecar's."""
    for number, case in enumerate(gallery.ALL):
        with closing(sqlite3.connect(Path(folder) / f"case{number:03}.db", isolation_level=None)) as connection:
            getattr(case, step)(connection)


if __name__ == "__main__":
    main(*sys.argv[1:])
