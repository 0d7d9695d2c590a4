"""once, status, check, health, accept: what they say, how they end, and that no secret is ever among it."""

from __future__ import annotations

import os
import re
import subprocess
import threading
import time
from datetime import timedelta
from pathlib import Path

import pytest
from commanding import backup, health, log, status
from fix_source import Source
from restoring import another_process, contents_of, fill_all, poll, restore
from wire import wire

from backup.alive import Beat, how_it_is


@pytest.fixture
def mirrored(source: Source) -> Source:
    fill_all(source)
    result = backup(source, "once")
    assert result.returncode == 0, result.stderr
    return source


LAST_SYNC = re.compile(
    r"^\S+Z INFO    \[[0-9a-f]{8}\] Last Sync: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ run (\d+), "
    r"(\d+) rows upserted, (\d+) deleted, (\d+) documents, (\d+) bytes sent, \d+\.\d\d s$",
    re.M,
)


def test_once_tells_what_it_did_on_stdout_and_in_the_log_file(mirrored: Source) -> None:
    mirrored.write("DELETE FROM t WHERE id <= 4; UPDATE t SET a = 'x' WHERE id IN (5, 6)")
    (mirrored.json / "data.json").write_text("{}")
    result = backup(mirrored, "once")
    assert result.returncode == 0
    first, second = (tuple(map(int, found)) for found in LAST_SYNC.findall(log(mirrored)))
    assert first[:4] == (1, 606, 0, 2)
    assert second[:4] == (2, 2, 4, 1)
    assert 500 < second[4] < first[4]
    assert result.stdout.strip() in log(mirrored), "stdout and the file say the same"


def test_once_with_nothing_new_says_so(mirrored: Source) -> None:
    assert "nothing changed since run 1, 0 rows upserted, 0 deleted" in backup(mirrored, "once").stdout
    assert "nothing changed since run 1" in backup(mirrored, "once", "--full").stdout


def test_once_before_there_is_anything_says_so(source: Source) -> None:
    result = backup(source, "once")
    assert (result.returncode, "nothing to mirror yet" in result.stdout) == (0, True)


def test_status_of_a_safe_source(mirrored: Source) -> None:
    found = status(mirrored)
    assert (found["code"], found["safe"], found["target_error"]) == (0, True, None)
    assert {(f["file"], f["kind"], f["here"], f["mirror"]) for f in found["files"]} == {
        ("bot.db", "database", 303, 303),
        ("sub/wal.db", "database", 303, 303),
        ("data.json", "document", 1, 1),
        ("sub/more.json", "document", 1, 1),
    }
    assert 0 <= found["seconds_since_equal"] < 60
    assert found["outcome"]["run"] == 1
    assert found["target_bytes"] > 1_000_000
    plain = backup(mirrored, "status")
    assert plain.returncode == 0
    assert plain.stdout.startswith("Safe: everything up to ")
    for expected in ("bot.db", "303 rows", "sub/more.json", "document", f"Source {mirrored.name}"):
        assert expected in plain.stdout
    assert "\x1b" not in plain.stdout


def test_status_counts_rows_of_a_database_in_use_and_of_one_that_grew(mirrored: Source) -> None:
    with another_process(mirrored.sqlite / "sub" / "wal.db", "DELETE FROM t WHERE id > 100"):
        found = {file["file"]: (file["here"], file["mirror"]) for file in status(mirrored)["files"]}
    assert found["sub/wal.db"] == (103, 303)
    assert [path.name for path in mirrored.state.iterdir() if path.name.startswith("tmp")] == []


def test_status_tells_unreadable_missing_and_unknown_apart(mirrored: Source) -> None:
    path = mirrored.sqlite / "bot.db"
    path.write_bytes(b"no database" * 1000)
    (mirrored.json / "data.json").unlink()
    lines = backup(mirrored, "status").stdout.splitlines()
    found = {line.split()[0]: line.split()[1:] for line in lines if line.split() and "." in line.split()[0]}
    assert found["bot.db"] == ["unreadable", "303", "rows"]
    assert found["data.json"] == ["missing", "document"]
    away = backup(mirrored, "status", SUPABASE_DB_PORT="9").stdout
    assert re.search(r"sub/wal.db +303 rows +unknown", away)


def test_status_of_many_files_fits_on_a_screen_with_what_is_missing_first(mirrored: Source) -> None:
    for number in range(30):
        (mirrored.json / f"many-{number:02d}.json").write_text("{}")
    assert backup(mirrored, "once").returncode == 0
    (mirrored.json / "many-29.json").unlink()
    shown = backup(mirrored, "status").stdout.splitlines()
    assert len(shown) < 30
    assert shown[-1] == "and 14 more; all of them: ./sidemirror status --json"
    assert shown[shown.index(next(line for line in shown if line.startswith("file "))) + 1].startswith("many-29.json")
    assert len(status(mirrored)["files"]) == 34


def test_status_says_who_is_told(mirrored: Source) -> None:
    assert "Nobody is told when something goes wrong (ALERT_URLS)" in backup(mirrored, "status").stdout
    shown = backup(mirrored, "status", ALERT_URLS="json://user:secret-Zq9@127.0.0.1:9 json://127.0.0.1:8").stdout
    assert "Alerts go to 2 addresses" in shown
    assert "Zq9" not in shown


def test_status_before_the_first_run_is_not_safe(source: Source) -> None:
    fill_all(source)
    found = status(source)
    assert (found["code"], found["safe"], found["outcome"]["run"]) == (1, False, None)
    assert found["sentence"] == "Not yet: nothing was mirrored yet."


def test_status_with_the_target_down_says_so(mirrored: Source) -> None:
    found = status(mirrored, SUPABASE_DB_PORT="9")
    assert (found["code"], found["safe"], found["target_bytes"]) == (1, False, None)
    assert "refuses the connection" in found["target_error"]
    assert {file["mirror"] for file in found["files"]} == {None}
    plain = backup(mirrored, "status", SUPABASE_DB_PORT="9").stdout
    assert plain.startswith("NOT SAFE: the target does not have now what was mirrored, or cannot be reached")
    assert ":9 refuses the connection" in plain


def test_status_after_a_failed_run_says_since_when(mirrored: Source) -> None:
    for _ in range(2):
        assert backup(mirrored, "once", SUPABASE_DB_PORT="9").returncode == 4
    [trouble] = status(mirrored)["outcome"]["troubles"]
    assert (trouble["subject"], trouble["kind"]) == ("run", "TargetUnreachable")
    assert f"something is wrong since {trouble['since']}" in backup(mirrored, "status").stdout
    assert backup(mirrored, "once").returncode == 0
    assert status(mirrored)["safe"] is True


def test_status_of_an_emptied_target_is_not_safe_and_the_next_run_mends_it(mirrored: Source) -> None:
    names = [f"DROP SCHEMA {database.schema_name} CASCADE;" for database in mirrored.read_state().databases]
    mirrored.target.query(f"{' '.join(names)} DROP SCHEMA sidemirror CASCADE")
    found = status(mirrored)
    assert (found["code"], found["safe"]) == (1, False)
    assert "the target has nothing of this source, and run 1 was mirrored" in found["target_error"]
    assert backup(mirrored, "once").returncode == 0
    assert status(mirrored)["safe"] is True


def test_status_json_is_unharmed_by_a_status_file_of_another_version(mirrored: Source) -> None:
    for content in (
        "{",
        "[]",
        '{"troubles": 5}',
        '{"from": "the future"}',
        '{"equal_at": "yesterday", "troubles": []}',
    ):
        (mirrored.state / "status.json").write_text(content)
        assert status(mirrored)["safe"] is False
        assert how_it_is(mirrored.settings)[0] == 1
    assert backup(mirrored, "once").returncode == 0
    assert status(mirrored)["safe"] is True


def test_a_sidecar_that_is_silent_is_not_safe_whatever_it_said_last(mirrored: Source) -> None:
    alive = mirrored.state / "alive"
    assert health(mirrored)[0] == 1, "nobody has said anything"
    alive.touch()
    assert health(mirrored) == (1, "the main program has only just started\n")
    Beat(lambda: mirrored.settings).beat()
    assert (status(mirrored)["safe"], health(mirrored)[0]) == (True, 0)
    os.utime(alive, (time.time() - 7200, time.time() - 7200))
    found = status(mirrored)
    assert (found["code"], found["safe"], found["wrong"][0]["kind"]) == (1, False, "Stuck")
    plain = backup(mirrored, "status").stdout
    assert plain.startswith("NOT KNOWN: the sidecar has not been heard from for 2 h; everything up to ")
    assert "  Try: see why: ./sidemirror logs backup; then " in plain
    code, told = health(mirrored)
    assert (code, told.startswith("the main program has not been heard from for 72")) == (1, True)


def test_a_run_that_was_due_and_did_not_come_is_not_safe(mirrored: Source) -> None:
    path = mirrored.state / "status.json"
    path.write_text(path.read_text().replace('"next_at": null', '"next_at": "2026-01-01T00:00:00+00:00"'))
    found = status(mirrored)
    assert (found["code"], found["safe"]) == (1, False)
    plain = backup(mirrored, "status").stdout
    assert "; no run comes any more (below)." in plain
    assert "and the next one was due at 2026-01-01T00:00:00+00:00" in plain


def test_a_state_folder_of_another_user_is_said_to_be_one(mirrored: Source) -> None:
    mirrored.state.chmod(0)
    try:
        shown, checked = backup(mirrored, "status"), backup(mirrored, "check")
    finally:
        mirrored.state.chmod(0o755)
    assert (shown.returncode, shown.stderr) == (1, "")
    assert shown.stdout.startswith("NOT KNOWN: what the sidecar knows of itself cannot be read (below).")
    for told in (shown.stdout, checked.stdout):
        assert f"{mirrored.state} cannot be read" in told
        assert "./sidemirror up gives it back" in told


def test_health_follows_the_last_good_run(mirrored: Source) -> None:
    settings = mirrored.settings
    well, told = how_it_is(settings)
    assert (well, told.startswith("equal to the target ")) == (0, True)
    path = mirrored.state / "status.json"
    path.write_text(re.sub(r'"equal_at": "[^"]*"', '"equal_at": "2026-01-01T00:00:00+00:00"', path.read_text()))
    late, told = how_it_is(settings)
    assert (late, told.startswith("last equal to the target ")) == (1, True)
    assert how_it_is(settings.model_copy(update={"backup_every": timedelta(weeks=520)}))[0] == 0
    path.unlink()
    assert how_it_is(settings) == (1, "not equal to the target yet")


def test_check_of_a_good_start_is_ok_in_every_line(mirrored: Source) -> None:
    result = backup(mirrored, "check")
    lines = dict(line.removeprefix("ok    ").split(": ", 1) for line in result.stdout.splitlines())
    assert (result.returncode, "WRONG" in result.stdout) == (0, False)
    assert list(lines) == ["source", "state folder", "connection", "rights", "exposure", "space", "holder"]
    assert lines["source"] == "2 databases, 2 documents"
    assert re.search(r"Postgres 1\d, TLSv1\.3, verify-full$", lines["connection"])


WRONG: dict[str, tuple[dict[str, str], int, str]] = {
    "source": ({"SQLITE_DIR": "/nowhere"}, 3, "the folder /nowhere is not there"),
    "state folder": ({"STATE_DIR": "/proc"}, 7, "/proc"),
    "connection": ({"SUPABASE_DB_PORT": "9"}, 4, "refuses the connection"),
    "space": ({"TARGET_SIZE_LIMIT": "1MB"}, 5, "over its limit"),
}


@pytest.mark.parametrize("subject", WRONG)
def test_check_finds_what_is_wrong_with_the(subject: str, mirrored: Source) -> None:
    environ, code, said = WRONG[subject]
    result = backup(mirrored, "check", **environ)
    assert result.returncode == code
    wrong = [line for line in result.stdout.splitlines() if line.startswith("WRONG")]
    assert wrong
    assert wrong[0].startswith(f"WRONG {subject}: ")
    assert said in wrong[0]
    assert "  Try: " in result.stdout


def test_check_finds_a_source_without_files(source: Source) -> None:
    result = backup(source, "check")
    assert result.returncode == 3
    assert "WRONG source: there is no database in" in result.stdout


def test_check_ends_with_what_is_worse_than_a_bot_that_has_not_written_yet(source: Source) -> None:
    result = backup(source, "check", SUPABASE_DB_PORT="9")
    assert ("WRONG source: " in result.stdout, result.returncode) == (True, 4)


def test_check_finds_what_the_data_api_could_read(mirrored: Source) -> None:
    schema = mirrored.read_state().databases[0].schema_name
    mirrored.target.query(f"GRANT USAGE ON SCHEMA {schema} TO anon; GRANT SELECT ON {schema}.t TO anon")
    result = backup(mirrored, "check")
    assert result.returncode == 5
    assert f"WRONG exposure: the role anon can reach {schema}" in result.stdout
    mirrored.target.query(f"REVOKE ALL ON {schema}.t FROM anon; REVOKE ALL ON SCHEMA {schema} FROM anon")


def test_check_finds_missing_rights_and_another_holder(mirrored: Source) -> None:
    role = f"{mirrored.name}_poor"
    mirrored.target.query(f"CREATE ROLE {role} LOGIN PASSWORD 'pw'")
    try:
        poor = backup(
            mirrored, "check", SUPABASE_DB_USER=role, SUPABASE_DB_PASSWORD="pw", SUPABASE_DB_PASSWORD_FILE=None
        )
    finally:
        mirrored.target.query(f"DROP ROLE {role}")
    assert poor.returncode == 5
    if "WRONG connection" not in poor.stdout:  # a pooler may not know the role
        assert f"WRONG rights: {role} may not make schemas" in poor.stdout
    mirrored.target.query("UPDATE sidemirror.sources SET holder = gen_random_uuid() WHERE name = %s", mirrored.name)
    other = backup(mirrored, "check")
    assert (other.returncode, "WRONG holder: " in other.stdout) == (14, True)


GUARDED = {
    "an emptied table": ("DELETE FROM t", "bot.db", "table t would go from 300 rows to 0"),
    "a dropped table": ("DROP TABLE k", "bot.db", "table k with 3 rows would be dropped"),
    "a removed database": (None, "bot.db", "bot.db is not there any more"),
    "a removed document": (None, "data.json", "data.json is not there any more"),
}


@pytest.mark.parametrize("loss", GUARDED)
def test_the_guard_holds_until_a_person_accepts(loss: str, mirrored: Source, tmp_path: Path) -> None:
    statement, file, said = GUARDED[loss]
    mirrored.environ["GUARD_SHRINK"] = "50%"
    before = mirrored.rebuild(1)
    if statement:
        mirrored.write(statement)
    else:
        (mirrored.sqlite / file if file.endswith(".db") else mirrored.json / file).unlink()
    (mirrored.json / "sub" / "more.json").write_text('"goes on"')

    held = backup(mirrored, "once")
    assert held.returncode == 6
    assert said in held.stdout
    assert "Partial sync: run 2; 1 refused" in held.stdout
    assert backup(mirrored, "once").returncode == 6, "it stays held"
    state = mirrored.read_state()
    assert (state.last_run, file in {f.file for f in (*state.databases, *state.documents)}) == (2, True)
    assert [trouble["subject"] for trouble in status(mirrored)["outcome"]["troubles"]] == [file]
    assert backup(mirrored, "accept", "another.db").returncode == 2

    accepted = backup(mirrored, "accept", file)
    assert accepted.returncode == 0, accepted.stdout + accepted.stderr
    assert f"Accepted: {file}" in accepted.stdout
    state = mirrored.read_state()
    assert state.last_run == 3
    assert (file in {f.file for f in (*state.databases, *state.documents)}) is bool(statement)
    assert status(mirrored)["safe"] is True
    assert backup(mirrored, "accept").stdout == "Nothing is held.\n"

    into = tmp_path / "into"
    assert restore(mirrored, "--into", str(into), "--yes", "--run", "1").returncode == 0
    (tmp_path / "a").mkdir()
    found = contents_of(into / "sqlite", into / "json", tmp_path / "a")
    assert len(found["bot.db"]["tables"][b"t"]) == 300
    assert b'"a": 1' in found["data.json"]
    assert before["bot.db"].exists()


def test_two_runs_at_once_the_second_waits_or_ends_with_8(mirrored: Source) -> None:
    mirrored.write("DELETE FROM t WHERE id = 1")
    with wire(mirrored) as cable:
        cable.hold()
        first = subprocess.Popen(
            mirrored.command("once"), env=mirrored.process_environ | cable.environ, stdout=subprocess.DEVNULL
        )
        poll("the first run has begun", lambda: cable.connections)
        refused = backup(mirrored, "once", "--wait", "1")
        assert (refused.returncode, "another run is in progress" in refused.stderr) == (8, True)
        threading.Timer(1.5, cable.go_on).start()
        waited = backup(mirrored, "once")
        assert first.wait(30) == 0
    assert "nothing changed since run 2" in waited.stdout
    assert mirrored.read_state().last_run == 2
