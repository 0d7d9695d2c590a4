"""A date that is set wrongly on this machine alone: what the target holds is not judged by it."""

from __future__ import annotations

from pathlib import Path

import pytest
from commanding import backup
from fix_source import Source


@pytest.mark.parametrize("step", ["+40d", "-1h"])
def test_restore_points_are_as_old_as_the_target_says(source: Source, step: str) -> None:
    source.write("CREATE TABLE t (id INTEGER PRIMARY KEY, a)")
    for number in range(1, 4):
        source.write(f"INSERT INTO t (a) VALUES ({number})")
        source.point()
    # The first and the second are older than the rule, by an hour and by a minute.
    age = "CASE run WHEN 1 THEN interval '3 hours' WHEN 2 THEN interval '121 minutes' ELSE interval '119 minutes' END"
    source.target.query(
        f"UPDATE sidemirror.runs SET finished_at = now() - {age} FROM sidemirror.sources AS s "
        "WHERE s.id = source_id AND s.name = %s",
        source.name,
    )
    source.write("INSERT INTO t (a) VALUES (4)")
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    done = backup(
        source,
        "once",
        "--full",
        LD_PRELOAD=str(library),
        FAKETIME=step,
        FAKETIME_DONT_FAKE_MONOTONIC="1",
        NO_FAKE_STAT="1",
        RETENTION="all:2h",
        # An hour before, the certificate may not have been valid yet.
        SUPABASE_DB_SSLMODE="require",
        SUPABASE_DB_SSLROOTCERT=None,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    left = source.target.query(
        "SELECT run FROM sidemirror.runs JOIN sidemirror.sources AS s ON s.id = source_id WHERE s.name = %s ORDER BY 1",
        source.name,
    )
    assert left == [(3,), (4,)]
