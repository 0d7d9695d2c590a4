"""doctor: each line a finding with its remedy, and nothing in it that should not be pasted into an issue."""

from __future__ import annotations

import re
import socket
import subprocess
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
    found = re.findall(r"^(?:ok   |WRONG) ([a-z ]+): (.*)", text, re.M)
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
        "certificate", "disk", "file systems", "inotify", "alerts", "heartbeat", "itself",
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


def test_without_a_target_all_else_is_looked_at(mirrored: Source) -> None:
    result = backup(mirrored, "doctor", SUPABASE_DB_PORT="9")
    assert result.returncode == 4
    assert "WRONG connection: " in result.stdout
    assert {"disk", "file systems", "inotify", "alerts", "itself"} <= set(lines(result.stdout))


def test_settings_that_are_wrong_are_told_as_everywhere(source: Source) -> None:
    result = backup(source, "doctor", BACKUP_EVERY="soon")
    assert (result.returncode, "BACKUP_EVERY: " in result.stderr) == (2, True)


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


def test_a_clock_that_is_wrong_is_told(mirrored: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(looking, "_ask", lambda *_: (datetime.now(UTC).timestamp() - 3601,))
    with pytest.raises(TargetRefused, match="this machine's clock is 60 min ahead of the target's") as caught:
        looking._clock(None, mirrored.settings)  # type: ignore[arg-type]
    assert "NTP" in caught.value.hint


def test_files_on_a_network_file_system_are_told(mirrored: Source, monkeypatch: pytest.MonkeyPatch) -> None:
    for kind in ("nfs4", "cifs", "9p", "virtiofs", "fuse.sshfs"):
        monkeypatch.setattr(looking, "_mounts", lambda kind=kind: {"/": "ext4", str(mirrored.sqlite): kind})
        with pytest.raises(
            SourceUnreadable, match=rf"sqlite is on a network or shared file system \({re.escape(kind)}\)"
        ):
            looking._file_systems(mirrored.settings)
    monkeypatch.setattr(looking, "_mounts", lambda: {"/": "overlay"})
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
