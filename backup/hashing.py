"""One large table's content, computed in a process of its own while its rows are on their way to the target."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from urllib.parse import quote

from mirror.content import TableContent, table_content
from mirror.errors import SidemirrorError
from mirror.schema import read_schema

# Below this a process of its own costs more than it saves.
WORTH_IT_ROWS = 50_000


class Hashing:
    """Begun when made; `result` waits for it."""

    def __init__(self, snapshot: Path, table: str, encoding: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "backup.hashing", str(snapshot), table, encoding], stdout=subprocess.PIPE, text=True
        )

    def result(self) -> TableContent:
        """Raises SidemirrorError when the process ended badly; it has told why on stderr."""
        output, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise SidemirrorError("the content of a table could not be computed", "look at the lines above")
        rows, digest = output.split()
        return TableContent(int(rows), int(digest, 16))

    def cancel(self) -> None:
        self.process.kill()
        self.process.communicate()


def main(snapshot: str, name: str, encoding: str) -> None:
    """Prints the table's rows and hash."""
    connection = sqlite3.connect(f"file:{quote(snapshot)}?mode=ro&immutable=1", uri=True)
    table = read_schema(connection, "").table(name)
    if table is None:
        raise LookupError(name)
    content = table_content(connection, table, encoding)
    print(content.rows, content.hex)


if __name__ == "__main__":
    main(*sys.argv[1:])
