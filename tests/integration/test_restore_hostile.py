"""Whoever has the target's password owns the catalog: what stands there makes no file and reaches none but its own."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from fix_source import Source
from restoring import fill_all, fingerprint, restore

from mirror.errors import SourceUnsupported, TargetEdited

WAYS = [("--yes",), ("--dry-run",), ("--yes", "--into", "{scratch}"), ("--to-sql", "{scratch}/dump.sql")]


@pytest.fixture
def mirrored(source: Source) -> Source:
    fill_all(source)
    source.run()
    return source


def schema_row(source: Source, *, sql: str) -> None:
    """Puts a row into what the catalog keeps of bot.db's schema."""
    query = (
        "SELECT x.sqlite_schema::text FROM sidemirror.database_schemas AS x JOIN sidemirror.databases AS d "
        "ON d.id = x.database_id JOIN sidemirror.sources AS s ON s.id = d.source_id WHERE s.name = %s AND d.file = 'bot.db'"
    )
    [(text,)] = source.target.query(query, source.name)
    schema = json.loads(text)
    schema["rows"].insert(0, {"type": "table", "name": "e", "tbl_name": "e", "sql": sql})
    source.target.query(
        "UPDATE sidemirror.database_schemas AS x SET sqlite_schema = %s FROM sidemirror.databases AS d, "
        "sidemirror.sources AS s "
        "WHERE d.id = x.database_id AND s.id = d.source_id AND s.name = %s AND d.file = 'bot.db'",
        json.dumps(schema),
        source.name,
    )


def all_ways(source: Source, scratch: Path) -> None:
    """No way to restore ends well, or changes a file that is there, or makes one."""
    scratch.mkdir()
    before = fingerprint(source)
    for way in WAYS:
        done = restore(source, *(part.format(scratch=scratch) for part in way))
        assert done.returncode in (3, 12, 16), (way, done.stdout + done.stderr)
    assert fingerprint(source) == before
    assert [path for path in scratch.rglob("*") if path.is_file()] == []
    drilled = subprocess.run(source.command("drill"), env=source.process_environ, capture_output=True, timeout=120)
    assert drilled.returncode not in (0, 1), drilled.stdout
    assert fingerprint(source) == before


ATTACKS = {
    "attaches the live database": "ATTACH '{live}' AS pw",
    "attaches a new file": "ATTACH '{new}' AS pw",
    "makes a table in another database": "CREATE TABLE pw.planted (x)",
    "writes a copy": "VACUUM INTO '{new}'",
    "turns a setting": "PRAGMA user_version = 666",
    "changes rows": "UPDATE t SET a = 'hostile'",
    "makes what it does not say": "CREATE TRIGGER e AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "is two statements": "CREATE TABLE e (x); ATTACH '{new}' AS pw",
    "reads on its way": "CREATE TABLE e AS SELECT load_extension('/tmp/evil')",
    "is temporary": "CREATE TEMP TABLE e (x)",
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_sql_in_the_catalog_does_nothing_but_make_its_object(attack: str, mirrored: Source) -> None:
    new = mirrored.json / "made.db"
    before = fingerprint(mirrored)
    schema_row(mirrored, sql=ATTACKS[attack].format(live=mirrored.sqlite / "sub" / "wal.db", new=new))
    with pytest.raises(SourceUnsupported):
        mirrored.rebuild(mirrored.read_state().last_run)
    assert (fingerprint(mirrored), new.exists()) == (before, False)


@pytest.mark.parametrize("attack", ["attaches the live database", "is two statements"])
def test_no_way_to_restore_and_no_drill_runs_it(attack: str, mirrored: Source, tmp_path: Path) -> None:
    new = mirrored.json / "made.db"
    schema_row(mirrored, sql=ATTACKS[attack].format(live=mirrored.sqlite / "sub" / "wal.db", new=new))
    all_ways(mirrored, tmp_path / "scratch")
    assert not new.exists()


FILES = [
    "../../../sqlite/bot.db",
    "/etc/passwd",
    "a/../../b.json",
    "replaced/x.json",
    ".sidemirror/restored.json",
    "",
    ".",
]
RENAMED = (
    "UPDATE sidemirror.{} AS d SET file = %s FROM sidemirror.sources AS s WHERE s.id = d.source_id AND s.name = %s "
)


@pytest.mark.parametrize("kind", ["documents", "databases"])
@pytest.mark.parametrize("file", FILES)
def test_a_name_in_the_catalog_is_a_place_below_the_bots_folder(file: str, kind: str, mirrored: Source) -> None:
    mirrored.target.query(RENAMED.format(kind) + "AND d.file IN ('data.json', 'bot.db')", file, mirrored.name)
    with pytest.raises(TargetEdited):
        mirrored.read_state()


def test_no_way_to_restore_and_no_drill_follows_a_name_that_leads_up(mirrored: Source, tmp_path: Path) -> None:
    mirrored.target.query(RENAMED.format("documents") + "AND d.file = 'data.json'", FILES[0], mirrored.name)
    all_ways(mirrored, tmp_path / "scratch")


def test_a_database_is_no_side_file_of_another(mirrored: Source) -> None:
    mirrored.target.query(RENAMED.format("databases") + "AND d.file = 'bot.db'", "sub/wal.db-wal", mirrored.name)
    with pytest.raises(TargetEdited):
        mirrored.read_state()


@pytest.mark.parametrize(
    ("name", "value"), [("journal_mode", "wal; ATTACH"), ("page_size", "x"), ("encoding", "UTF-7")]
)
def test_a_setting_in_the_catalog_is_one_of_sqlites(name: str, value: str, mirrored: Source) -> None:
    mirrored.target.query(
        "UPDATE sidemirror.database_schemas AS x SET sqlite_schema = "
        "jsonb_set(sqlite_schema::jsonb, ARRAY['pragmas', %s], to_jsonb(%s::text))::text FROM sidemirror.databases AS d, "
        "sidemirror.sources AS s WHERE d.id = x.database_id AND s.id = d.source_id AND s.name = %s",
        name,
        value,
        mirrored.name,
    )
    with pytest.raises(TargetEdited):
        mirrored.read_state()


LIES = {
    "fewer rows": "DELETE FROM {t} WHERE id < 5",
    "more rows": "INSERT INTO {t} (id, a) SELECT 1000 + n, 'more' FROM generate_series(1, 9) AS n",
    "other bytes for text": "ALTER TABLE {t} ALTER COLUMN a TYPE bytea USING decode('00ff', 'hex')",
    "no column": "ALTER TABLE {t} DROP COLUMN a",
    "exact values of no known form": """UPDATE {t} SET _exact = '{{"a": {{"x": [7]}}, "z": 1}}' WHERE id < 9""",
}


@pytest.mark.parametrize("lie", LIES)
def test_rows_that_the_target_gives_and_nobody_mirrored_come_back_nowhere(
    lie: str, mirrored: Source, tmp_path: Path
) -> None:
    database = mirrored.read_state().database("bot.db")
    assert database is not None
    mirrored.target.query(LIES[lie].format(t=f"{database.schema_name}.t"))
    before, scratch = fingerprint(mirrored)["bot.db"], tmp_path / "scratch"
    scratch.mkdir()
    for way in WAYS:
        done = restore(mirrored, *(part.format(scratch=scratch) for part in way))
        assert done.returncode not in (0, 1), (way, done.stdout + done.stderr)
        assert "Traceback" not in done.stderr
    assert fingerprint(mirrored)["bot.db"] == before
    assert list(scratch.rglob("bot.db*")) == []
    drilled = subprocess.run(mirrored.command("drill"), env=mirrored.process_environ, capture_output=True, timeout=120)
    assert drilled.returncode not in (0, 1), drilled.stdout
