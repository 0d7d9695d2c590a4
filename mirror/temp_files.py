"""Where SQLite keeps what does not fit into its memory: on the disk that the work is done on.

By itself it takes /var/tmp or /tmp, and a container's /tmp is memory: what is spilled there counts as much as what is not.
"""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

from mirror.names import quote_sqlite


def spill_beside(connection: sqlite3.Connection, file: Path) -> None:
    """From now on this process spills into the folder of `file`; SQLite removes each of those files as it makes it.

    The variable SQLITE_TMPDIR is read when Python imports sqlite3, and so cannot follow a setting. Where the pragma is
    missing (https://www.sqlite.org/pragma.html#pragma_temp_store_directory), or the folder is gone, SQLite takes its own.
    """
    connection.execute("PRAGMA temp_store = FILE")
    with suppress(sqlite3.Error):
        connection.execute(f"PRAGMA temp_store_directory = {quote_sqlite(str(file.parent))}")
