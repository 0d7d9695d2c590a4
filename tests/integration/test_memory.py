"""What one run and one restore take of memory, with values and documents that are large: a container has 512 MB."""

from __future__ import annotations

import filecmp
import subprocess
import sys
from pathlib import Path

from fix_source import Source

MB = 1_000_000
MOST_BYTES = 400 * MB
MEASURE = "import os, resource, sys; p = os.spawnvp(os.P_WAIT, sys.argv[1], sys.argv[1:]); "
MEASURE += "print('peak', resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss); sys.exit(p)"


def peak(source: Source, *command: str) -> int:
    """The highest resident memory of one process of the command, in bytes; the command has to end well."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, sys.executable, "-m", *command],
        env=source.process_environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return int(done.stdout.rsplit("peak ", 1)[1]) * 1024


def test_values_of_fifty_megabytes_are_mirrored_and_restored_in_less_than_400_mb(
    source: Source, tmp_path: Path
) -> None:
    source.write(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, b BLOB, a TEXT); INSERT INTO t VALUES (1, randomblob(50000000), NULL), "
        "(2, NULL, hex(randomblob(25000000)))"
    )
    found = {"first run": peak(source, "backup", "once")}
    source.write("UPDATE t SET b = randomblob(50000000) WHERE id = 1; UPDATE t SET a = a || 'x' WHERE id = 2")
    found["changed"] = peak(source, "backup", "once")
    found["restore"] = peak(source, "restore", "--yes", "--into", str(tmp_path / "into"))
    assert max(found.values()) < MOST_BYTES, found
    rows = "SELECT id, typeof(b), length(b), typeof(a), length(a), a, b FROM t"
    with source.database() as connection:
        here = connection.execute(rows).fetchall()
        connection.execute("ATTACH ? AS there", (str(tmp_path / "into" / "sqlite" / "bot.db"),))
        assert connection.execute(rows.replace("FROM t", "FROM there.t")).fetchall() == here


def test_a_document_is_never_in_memory_as_a_whole_however_large_it_is(source: Source, tmp_path: Path) -> None:
    path = source.json / "data.json"
    path.write_text("[]")
    usual = peak(source, "backup", "once")
    numbers = "".join(
        f'"{number * 7919 % 1_000_003}": {{"coins": {number}, "name": "user"}},\n' for number in range(900_000)
    )
    path.write_text("{" + numbers + '"last": null}')
    assert path.stat().st_size > 40 * MB
    found = {"first": peak(source, "backup", "once")}
    with path.open("r+b") as file:
        file.seek(20 * MB)
        file.write(b"changed")
    found["changed"] = peak(source, "backup", "once")
    found["drill"] = peak(source, "backup", "drill")
    found["restore"] = peak(source, "restore", "--yes", "--into", str(tmp_path / "into"))
    assert max(found.values()) < usual + 40 * MB, (usual, found)
    assert filecmp.cmp(path, tmp_path / "into/json/data.json", shallow=False)
    [(body, why_not)] = source.target.query(
        "SELECT body, body_why_not FROM sidemirror.documents_now WHERE source = %s", source.name
    )
    assert (body, why_not) == (None, "it has more than 4 MB, so it is kept as bytes only")
