"""doctor: each line a finding with its remedy, and nothing in it that should not be pasted into an issue."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from commanding import backup
from fix_source import Source
from fix_target import read_password
from restoring import fill_all

from backup import doctor as looking
from backup.certificate import certificate
from backup.doctor import redacted
from mirror.errors import SourceUnreadable, StateError, TargetRefused

SECRET = "Zq9-hunter2-planted"


def lines(text: str) -> dict[str, str]:
    found = re.findall(r"^(?:ok   |NOTE |WRONG) ([a-z ]+): (.*)", text, re.M)
    return dict(found)


@pytest.fixture
def mirrored(source: Source) -> Source:
    fill_all(source)
    assert backup(source, "once").returncode == 0
    return source


def test_of_a_good_installation_every_line_is_ok(mirrored: Source) -> None:
    result = backup(
        mirrored, "doctor", ALERT_URLS=f"json://127.0.0.1:9/{SECRET}", HEARTBEAT_URL=f"https://h.example/{SECRET}"
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "WRONG" not in result.stdout
    assert SECRET not in result.stdout
    found = lines(result.stdout)
    assert list(found) == [
        "versions", "source", "state folder", "connection", "rights", "exposure", "space", "holder", "server", "clock",
        "certificate", "files", "disk", "file systems", "inotify", "alerts", "heartbeat", "itself",
    ]  # fmt: skip
    assert re.match(
        r"Python 3\.\d+\.\d+, SQLite 3\.\d+\.\d+, psycopg2 2\.\d+\.\d+, libpq \d+\.\d+, Linux ", found["versions"]
    )
    assert re.match(r"Postgres 1\d\.\d+, (direct|through a pooler), time zone ", found["server"])
    assert re.fullmatch(
        r"the certificate is valid for \d+ more days, the CA is valid for \d+ more days", found["certificate"]
    )
    assert re.fullmatch(r"\d\.\d s (ahead of|behind) the target's", found["clock"])
    assert found["itself"].startswith("Safe: ")
    assert "NOTE" not in result.stdout


def test_without_a_target_all_else_is_looked_at(mirrored: Source) -> None:
    result = backup(mirrored, "doctor", SUPABASE_DB_PORT="9")
    assert result.returncode == 4
    assert "WRONG connection: " in result.stdout
    assert {"disk", "file systems", "inotify", "alerts", "itself"} <= set(lines(result.stdout))


def test_settings_that_are_wrong_are_a_line_of_the_report(source: Source) -> None:
    result = backup(source, "doctor", BACKUP_EVERY="soon")
    assert (result.returncode, result.stderr) == (2, "")
    assert result.stdout.startswith("WRONG settings: ")
    assert "BACKUP_EVERY: " in result.stdout


def test_what_works_and_is_better_changed_is_a_note_and_no_failure(mirrored: Source) -> None:
    size = mirrored.target.query("SELECT pg_database_size(current_database())")[0][0]
    alerts = f"json://127.0.0.1:9/{SECRET}"
    near = backup(mirrored, "doctor", TARGET_SIZE_LIMIT=str(int(size * 1.1)), ALERT_URLS=alerts)
    assert near.returncode == 0, near.stdout
    assert re.search(
        r"NOTE  space: [0-9.]+ MB of [0-9]+ MB \(TARGET_SIZE_LIMIT\), 9\d %\n  Try: at the limit", near.stdout
    )
    assert "NOTE  heartbeat: nobody notices when this machine is gone\n  Try: set HEARTBEAT_URL" in near.stdout
    assert "WRONG" not in near.stdout
    weak = backup(mirrored, "doctor", SUPABASE_DB_SSLMODE="require")
    assert weak.returncode == 0
    assert re.search(
        r"NOTE  connection: .*, require: nobody checks whose certificate it is\n  Try: set .*=verify-full", weak.stdout
    )
    assert "NOTE  alerts: nobody is told when something goes wrong\n  Try: set ALERT_URLS" in weak.stdout


def test_what_is_wrong_with_the_last_run_is_told_with_its_remedy(mirrored: Source) -> None:
    assert backup(mirrored, "once", SUPABASE_DB_PORT="9").returncode == 4
    result = backup(mirrored, "doctor")
    assert result.returncode == 1
    assert "WRONG itself: NOT SAFE: everything up to " in result.stdout
    assert re.search(
        r"WRONG run: .* refuses the connection \(since .*\)\n  Try: is the server running\?", result.stdout
    )


def test_a_file_that_cannot_be_read_is_told_with_its_owner(mirrored: Source) -> None:
    path = mirrored.sqlite / "bot.db"
    path.chmod(0o200)
    result = backup(mirrored, "doctor")
    owner = path.stat()
    assert (
        f"WRONG files: bot.db cannot be read: it belongs to {owner.st_uid}:{owner.st_gid}, mode 0200; the sidecar is "
        in result.stdout
    )
    assert result.returncode == 3


def test_the_statement_that_closes_an_exposed_mirror_does_close_it(mirrored: Source) -> None:
    schema = mirrored.read_state().databases[0].schema_name
    mirrored.target.query(
        f"GRANT USAGE ON SCHEMA {schema} TO anon; GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO anon"
    )
    exposed = backup(mirrored, "check")
    [statement] = re.findall(r"SQL Editor: (.*)", exposed.stdout)
    mirrored.target.query(statement)
    assert "ok    exposure: no role of the Data API can reach the mirror" in backup(mirrored, "check").stdout


def test_host_and_project_are_shortened_and_secrets_left_out(mirrored: Source) -> None:
    settings = mirrored.settings.model_copy(
        update={"supabase_db_host": "aws-0-eu.pooler.supabase.com", "supabase_db_user": "postgres.abcdefghij"}
    )
    told = f"aws-0-eu.pooler.supabase.com:6543 postgres.abcdefghij {read_password(mirrored.environ)}"
    assert redacted(told, settings) == "….supabase.com:6543 postgres.… …"


def test_a_certificate_that_ends_soon_or_is_anothers_is_told_with_its_remedy(mirrored: Source) -> None:
    settings = mirrored.settings
    told = certificate(settings, datetime.now(UTC))
    days = int(re.findall(r"(\d+) more days", told)[0])
    with pytest.raises(TargetRefused, match="the certificate is valid for 5 more days") as caught:
        certificate(settings, datetime.now(UTC) + timedelta(days=days - 5))
    assert "renew" in caught.value.hint
    address = socket.gethostbyname(settings.supabase_db_host)
    with pytest.raises(TargetRefused, match="the certificate does not fit"):
        certificate(settings.model_copy(update={"supabase_db_host": address}), datetime.now(UTC))


# A program whose clock is ahead: the target's own can be asked through no function but Postgres'.
AHEAD = """
import datetime, runpy
import backup.doctor

class Ahead(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        return datetime.datetime.now(tz) + datetime.timedelta(minutes=61, seconds=30)

backup.doctor.datetime = Ahead
runpy.run_module("backup", run_name="__main__")
"""


def test_a_clock_that_is_not_the_targets_is_told(mirrored: Source) -> None:
    command = [sys.executable, "-c", AHEAD, "doctor"]
    result = subprocess.run(command, env=mirrored.process_environ, capture_output=True, text=True, timeout=120)
    assert "WRONG clock: this machine's clock is 61 min ahead of the target's\n  Try: set it by NTP" in result.stdout


def test_files_on_a_network_file_system_are_told(mirrored: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs"):
        monkeypatch.setattr(looking, "mounts", lambda kind=kind: {"/": "ext4", str(mirrored.sqlite): kind})
        with pytest.raises(
            SourceUnreadable, match=rf"sqlite is on a network or shared file system \({re.escape(kind)}\)"
        ):
            looking._file_systems(mirrored.settings)
    monkeypatch.setattr(looking, "mounts", lambda: {"/": "overlay"})
    assert looking._file_systems(mirrored.settings) == "sqlite overlay, json overlay, state overlay"


def test_a_disk_without_room_for_a_run_is_told(mirrored: Source, small_disk: Path) -> None:
    with (mirrored.sqlite / "large.bin").open("wb") as file:
        file.truncate(5_000_000)
    with pytest.raises(StateError, match="free for state, a run may need 10 MB"):
        looking._disk(mirrored.settings.model_copy(update={"state_dir": small_disk}))


def test_alert_addresses_that_fail_are_told_by_name(mirrored: Source) -> None:
    unknown = backup(mirrored, "doctor", ALERT_URLS=f"nosuch://{SECRET}")
    assert "WRONG alerts: no address that apprise knows: ALERT_URLS, entry 1 (nosuch)" in unknown.stdout
    assert SECRET not in unknown.stdout
    assert backup(mirrored, "once", SUPABASE_DB_PORT="9").returncode == 4
    environ = mirrored.process_environ | {"ALERT_URLS": f"json://127.0.0.1:9/{SECRET}", "ALERT_AFTER": "1s"}
    watching = subprocess.Popen(mirrored.command("watch"), env=environ, stdout=subprocess.PIPE, text=True)
    assert watching.stdout
    while "could not be sent" not in watching.stdout.readline():
        assert watching.poll() is None
    watching.terminate()
    watching.stdout.close()
    watching.wait(40)
    failing = backup(mirrored, "doctor", ALERT_URLS=environ["ALERT_URLS"])
    assert (
        "could not be reached at the last try: ALERT_URLS, entry 1 (json): the connection is refused" in failing.stdout
    )
    assert SECRET not in failing.stdout


def test_a_folder_that_cannot_be_watched_is_told(mirrored: Source) -> None:
    gone = mirrored.settings.model_copy(update={"sqlite_dir": Path("/nowhere")})
    with pytest.raises(SourceUnreadable, match="cannot be waited for: No such file or directory") as caught:
        looking._inotify(gone)
    assert "max_user_watches" in caught.value.hint
    assert looking._inotify(mirrored.settings) == "changes of files can be waited for"
