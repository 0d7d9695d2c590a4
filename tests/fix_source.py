"""A source of its own for a test: folders, real files, runs into the target, and every restore point held against a copy."""

from __future__ import annotations

import os
import shutil
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from uuid import uuid4

import oracle
import pytest
from fix_target import Target

from backup.config import BackupSettings
from backup.run import Report, run
from mirror import settings
from mirror.catalog import State, read_state
from mirror.content import TableContent
from mirror.inspection import header_journal_mode, inspect
from mirror.rebuild import rebuild
from mirror.target import connected, reading

FORGET = """
DO $$
DECLARE
    source integer := (SELECT id FROM sidemirror.sources WHERE name = %s);
    schema_name text;
    aside text;
BEGIN
    FOR schema_name IN
        SELECT d.schema_name FROM sidemirror.databases AS d WHERE source_id = source AND dropped_run IS NULL
    LOOP
        EXECUTE format('DROP SCHEMA %%I CASCADE', schema_name);
    END LOOP;
    CREATE TEMP TABLE gone ON COMMIT DROP AS SELECT id FROM sidemirror.databases WHERE source_id = source;
    CREATE TEMP TABLE gone_tables ON COMMIT DROP AS SELECT id FROM sidemirror.tables WHERE database_id IN (TABLE gone);
    DELETE FROM sidemirror.history WHERE table_id IN (TABLE gone_tables);
    DELETE FROM sidemirror.table_states WHERE table_id IN (TABLE gone_tables);
    DELETE FROM sidemirror.table_shapes WHERE table_id IN (TABLE gone_tables);
    FOR aside IN SELECT 'aside_' || id FROM gone_tables LOOP
        EXECUTE format('DROP TABLE IF EXISTS sidemirror.%%I', aside);
    END LOOP;
    DELETE FROM sidemirror.tables WHERE database_id IN (TABLE gone);
    DELETE FROM sidemirror.database_states WHERE database_id IN (TABLE gone);
    DELETE FROM sidemirror.database_schemas WHERE database_id IN (TABLE gone);
    DELETE FROM sidemirror.databases WHERE source_id = source;
    DELETE FROM sidemirror.document_states AS st USING sidemirror.documents AS d
        WHERE d.id = st.document_id AND d.source_id = source;
    DELETE FROM sidemirror.documents WHERE source_id = source;
    DELETE FROM sidemirror.document_contents WHERE source_id = source;
    DELETE FROM sidemirror.document_chunks WHERE source_id = source;
    DELETE FROM sidemirror.runs WHERE source_id = source;
    DELETE FROM sidemirror.drills WHERE source_id = source;
    DELETE FROM sidemirror.writers WHERE source_id = source;
    DELETE FROM sidemirror.foreign_edits WHERE source_id = source;
    DELETE FROM sidemirror.sources WHERE id = source;
END
$$
"""


class Source:
    """`point` remembers what the databases held at each restore point, and `verify` rebuilds them all from the target."""

    def __init__(self, folder: Path, target: Target, **variables: str) -> None:
        self.folder = folder
        self.target = target
        self.sqlite, self.json, self.state = folder / "sqlite", folder / "json", folder / "state"
        self.notes = folder / "notes"
        for made in (self.sqlite, self.json, self.state, self.notes, folder / "kept", folder / "rebuilt"):
            made.mkdir(parents=True)
        self.name = f"s{uuid4().hex[:12]}"
        self.environ = {
            **target.environ,
            "SOURCE_NAME": self.name,
            "SQLITE_DIR": str(self.sqlite),
            "JSON_DIR": str(self.json),
            "STATE_DIR": str(self.state),
            "NOTES_DIR": str(self.notes),
            "GUARD_SHRINK": "off",
            **variables,
        }
        self.points: dict[int, dict[str, Path]] = {}

    @property
    def settings(self) -> BackupSettings:
        return settings.load(BackupSettings, self.environ)

    @contextmanager
    def database(self, file: str = "bot.db") -> Iterator[sqlite3.Connection]:
        """A connection as the bot has one, in autocommit mode, closed at the end."""
        with closing(sqlite3.connect(self.sqlite / file, isolation_level=None)) as connection:
            yield connection

    def write(self, script: str, file: str = "bot.db") -> None:
        with self.database(file) as connection:
            connection.executescript(script)

    def run(self, kind: str = "run") -> Report:
        """One run in this process, as `python -m backup once` makes it; nothing may be refused."""
        report = self.try_run(kind)
        assert report.refusals == ()
        return report

    def try_run(self, kind: str = "run") -> Report:
        return run(self.settings, kind)

    def point(self, kind: str = "run") -> Report:
        """A run, and a copy of every database as it is at the restore point that the run made."""
        report = self.run(kind)
        assert report.run is not None
        self.points[report.run] = {
            path.name: self.keep(path.name, report.run)
            for path in sorted(self.sqlite.iterdir())
            if path.suffix == ".db"
        }
        return report

    def keep(self, file: str, run_number: int) -> Path:
        """A copy of a database at rest, made by copying its bytes."""
        kept = self.folder / "kept" / f"{run_number}-{file}"
        with closing(sqlite3.connect(self.sqlite / file)) as source:  # the last one to close empties the WAL
            mode = source.execute("PRAGMA journal_mode").fetchone()[0]
        assert mode in ("wal", "delete")
        shutil.copyfile(self.sqlite / file, kept)
        return kept

    def read_state(self, run_number: int | None = None) -> State:
        with connected(self.settings) as connection:
            state = read_state(connection, self.name, run_number)
        assert state is not None
        return state

    def rebuild(self, run_number: int) -> dict[str, Path]:
        """Every database as it stood at a restore point, made from the target alone; each has the recorded content hash."""
        files = {}
        with connected(self.settings) as connection:
            state = read_state(connection, self.name, run_number)
            assert state is not None
            with reading(connection) as cursor:
                for database in state.databases:
                    path = self.folder / "rebuilt" / f"{uuid4().hex}.db"
                    rebuild(cursor, database, path, run_number, state.last_run)
                    found = inspect(path, header_journal_mode(path))
                    recorded = {table.mirror.name: table.content for table in database.tables}
                    assert different_contents(found.contents, recorded) == {}
                    assert found.content_hash == database.content_hash
                    files[database.file] = path
        return files

    def verify(self) -> None:
        """Every restore point gives back what was kept of its time, by the oracle and by content hash."""
        for run_number, kept in self.points.items():
            rebuilt = self.rebuild(run_number)
            assert rebuilt.keys() == kept.keys(), f"databases at run {run_number}"
            for file, path in kept.items():
                assert oracle.differences(path, rebuilt[file]) == [], f"{file} at run {run_number}"
                assert oracle.integrity(rebuilt[file]) == []
                rebuilt[file].unlink()

    def forget(self) -> None:
        """Takes the source out of the target, so that thousands of sources do not pile up in one catalog."""
        self.target.query(FORGET, self.name)

    def command(self, *arguments: str) -> list[str]:
        """The command line for one of the sidecar's commands, to be started in a process of its own."""
        return [sys.executable, "-m", "backup", *arguments]

    @property
    def process_environ(self) -> dict[str, str]:
        ours = ("SUPABASE_", "SOURCE_", "SQLITE_", "JSON_", "STATE_", "NOTES_", "GUARD_", "BACKUP_", "TARGET_")
        return {k: v for k, v in os.environ.items() if not k.startswith(ours)} | self.environ


def different_contents(
    found: dict[str, TableContent], recorded: dict[str, TableContent]
) -> dict[str, tuple[TableContent | None, TableContent | None]]:
    return {
        name: (found.get(name), recorded.get(name))
        for name in {*found, *recorded}
        if found.get(name) != recorded.get(name)
    }


@pytest.fixture
def source(tmp_path: Path, target: Target) -> Source:
    """A source with nothing in it, the shrink guard off."""
    return Source(tmp_path / "source", target)
