"""A database that does not fit into the memory that the sidecar gets, and changes of all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest
from fix_source import Source

MB = 1_000_000
# Half of it is what the interpreter and its libraries have at once. More is not given (setrlimit(2), RLIMIT_DATA).
MOST_BYTES = 96 * MB
LIMITED = "import os, resource, sys; resource.setrlimit(resource.RLIMIT_DATA, (int(sys.argv[1]),) * 2); "
LIMITED += "os.execv(sys.executable, [sys.executable, '-m', *sys.argv[2:]])"

# Nearly all of it is an index, of which nothing goes to the target: pages are what is large here.
BOT = """
CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT);
CREATE TABLE k (x TEXT PRIMARY KEY, y INTEGER);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 22000)
INSERT INTO t SELECT i, i, 'row ' || i FROM n;
INSERT INTO k SELECT 'key ' || id, id FROM t WHERE id % 3 = 0;
CREATE INDEX i ON t (a || hex(zeroblob(900)));
"""


def limited(source: Source, *command: str) -> None:
    """The command in a process that gets no more memory than that; it has to end well."""
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(MOST_BYTES), *command],
        env=source.process_environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]


CHANGES = {
    "WAL": ("UPDATE t SET a = a + 1", "DELETE FROM t WHERE id % 16 = 0; VACUUM"),
    "DELETE": ("UPDATE t SET a = a + 1",),
}


@pytest.mark.parametrize("journal", CHANGES)
def test_any_change_of_a_database_that_does_not_fit_into_the_memory(journal: str, source: Source) -> None:
    source.write(f"PRAGMA journal_mode = {journal}; {BOT}")
    assert (source.sqlite / "bot.db").stat().st_size > 0.8 * MOST_BYTES
    limited(source, "backup", "once")
    with source.database() as bot:
        for change in CHANGES[journal]:
            bot.executescript(change)
            limited(source, "backup", "once")
    assert source.read_state().last_run == 1 + len(CHANGES[journal])
    assert not source.run("full").committed
