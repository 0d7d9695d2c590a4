"""Settings that are wrong are told together and by name; a secret planted anywhere never comes out anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from commanding import backup
from fix_source import Source
from fix_target import read_password
from restoring import fill, restore

SECRET = "hunter2-Zq9"


def test_all_problems_are_told_together_each_with_its_fix(source: Source) -> None:
    result = backup(
        source,
        "once",
        BACKUP_EVRY="6h",
        BACKUP_EVERY="soon",
        SUPABASE_DB_PORT="70000",
        GUARD_SHRINK="200%",
        GUARD_SHRINKS="5%",
        RETENTION="forever",
        TARGET_SIZE_LIMIT="much",
        SOURCE_NAME="My Bot",
        SUPABASE_DB_PASSWORD=SECRET,
        LOG_LEVEL="loud",
    )
    assert (result.returncode, result.stdout) == (2, "")
    for expected in (
        "BACKUP_EVRY: there is no such variable; did you mean BACKUP_EVERY?",
        "BACKUP_EVERY: write a number and a unit: 45s, 30m, 6h, 1d",
        "SUPABASE_DB_PORT: ",
        "GUARD_SHRINK: is a share from 1% to 100%, or off",
        "GUARD_SHRINKS: there is no such variable; did you mean GUARD_SHRINK?",
        "RETENTION: 'forever' is not a rule",
        "TARGET_SIZE_LIMIT: ",
        "SOURCE_NAME: use a lower-case letter",
        "SUPABASE_DB_PASSWORD: given twice",
        "LOG_LEVEL: ",
        "Try: ",
    ):
        assert expected in result.stderr
    assert "Traceback" not in result.stderr


def test_the_restore_job_does_not_mind_the_sidecars_variables(source: Source) -> None:
    fill(source)
    source.run()
    result = restore(
        source, "--list", BACKUP_EVERY="6h", TARGET_SIZE_LIMIT="1GB", RETENTION="all:1d", JSON_GLOB="*.json"
    )
    assert result.returncode == 0, result.stderr
    typo = restore(source, "--list", SUPABASE_DB_HOSTS="x", RESTORE_AT="now")
    assert typo.returncode == 2
    assert "SUPABASE_DB_HOSTS: there is no such variable; did you mean SUPABASE_DB_HOST?" in typo.stderr
    assert "RESTORE_AT: there is no such variable" in typo.stderr


PLANTED: dict[str, dict[str, str | None]] = {
    "as a wrong password": {"SUPABASE_DB_PASSWORD": SECRET, "SUPABASE_DB_PASSWORD_FILE": None},
    "twice": {"SUPABASE_DB_PASSWORD": SECRET},
    "as the file's name": {"SUPABASE_DB_PASSWORD_FILE": SECRET},
    "as the file's path": {"SUPABASE_DB_PASSWORD_FILE": f"/{SECRET}/x"},
    "in the host, as a whole connection string": {"SUPABASE_DB_HOST": f"postgresql://postgres:{SECRET}@localhost:6543/postgres"},
    "in the host, as key and value": {"SUPABASE_DB_HOST": f"localhost password={SECRET}"},
    "in the user": {"SUPABASE_DB_USER": f"postgres:{SECRET}"},
    "in the database's name": {"SUPABASE_DB_NAME": f"postgresql://postgres:{SECRET}@localhost/postgres"},
    "in the port": {"SUPABASE_DB_PORT": SECRET},
    "in the SSL mode": {"SUPABASE_DB_SSLMODE": SECRET},
    "in the source's name": {"SOURCE_NAME": SECRET},
    "in a duration": {"BACKUP_EVERY": SECRET},
    "in a share": {"GUARD_SHRINK": SECRET},
    "in the alerts' addresses": {"ALERT_URLS": f"json://u:{SECRET}@127.0.0.1:9/{SECRET} tgram://{SECRET}"},
    "in an address that is none": {"ALERT_URLS": SECRET, "HEARTBEAT_URL": SECRET},
    "in the Discord webhook": {"DISCORD_WEBHOOK_URL": f"https://127.0.0.1:9/api/webhooks/1/{SECRET}"},
    "in the heartbeat's address": {"HEARTBEAT_URL": f"http://127.0.0.1:9/{SECRET}"},
    "as the name of the alerts' file": {"ALERT_URLS_FILE": SECRET},
    "in the log's form": {"LOG_FORMAT": SECRET},
    "in a pause": {"ALERT_AFTER": SECRET},
    "in a variable of another name": {"SUPABASE_PASSWORD": SECRET, "SUPABASE_DB_URL": f"postgres://u:{SECRET}@h/d"},
}  # fmt: skip


COMMANDS = (
    ["check"], ["once"], ["status"], ["status", "--json"], ["take-over", "--yes"], ["doctor"], ["alert-test"],
    ["accept"],
)  # fmt: skip


def everything_written(folder: Path) -> str:
    return "\n".join(path.read_bytes().decode(errors="replace") for path in sorted(folder.rglob("*")) if path.is_file())


@pytest.mark.parametrize("place", PLANTED)
def test_a_secret_never_comes_out_when_it_is_planted(place: str, source: Source) -> None:
    fill(source)
    environ = PLANTED[place]
    for command in (
        ["check"],
        ["once"],
        ["status"],
        ["status", "--json"],
        ["take-over", "--yes"],
        ["doctor"],
        ["alert-test"],
        ["accept"],
    ):
        result = backup(source, *command, LOG_LEVEL="debug", **environ)
        assert SECRET not in result.stdout + result.stderr, command
        assert "Traceback" not in result.stderr, command
    shared = {name: value for name, value in environ.items() if value is not None and name != "SUPABASE_DB_PASSWORD"}
    if shared:
        told = restore(source, "--yes", **shared)
        assert SECRET not in told.stdout + told.stderr
    assert SECRET not in everything_written(source.state)


def test_the_password_in_use_is_written_nowhere(source: Source) -> None:
    password = read_password(source.environ)
    fill(source)
    told = ""
    for command in (["once"], ["once", "--full"], ["check"], ["doctor"], ["status", "--json"]):
        result = backup(source, *command, LOG_LEVEL="debug")
        told += result.stdout + result.stderr
    told += restore(source, "--yes").stdout
    assert password not in told + everything_written(source.state)
