"""Settings: every problem at once, each with its variable, the reason and the fix; and no secret shown."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from backup.config import BackupSettings
from mirror.errors import ConfigError
from mirror.settings import Settings, load, parse_duration

LOCAL = {"SUPABASE_DB_SSLMODE": "disable", "SUPABASE_DB_HOST": "localhost"}


def problems(**variables: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load(BackupSettings, {**LOCAL, **variables})
    assert caught.value.exit_code == 2
    return [line.removeprefix("  - ") for line in caught.value.what.splitlines()[1:]]


def test_the_defaults_are_those_of_the_local_stand_in() -> None:
    loaded = load(BackupSettings, LOCAL)
    assert (loaded.source_name, loaded.supabase_db_port, loaded.backup_every) == ("bot", 5432, timedelta(hours=6))
    assert (loaded.guard_shrink, loaded.target_size_limit) == (0.5, 500_000_000)


def test_every_problem_is_reported_together() -> None:
    found = problems(
        SOURCE_NAME="My Bot",
        SUPABASE_DB_PORT="many",
        BACKUP_EVERY="soon",
        GUARD_SHRINK="200%",
        SUPABASE_DB_PASWORD="x",
        SUPABASE_DB_PASSWORD_FILE="/not/there",
        TARGET_SIZE_LIMIT="huge",
        LOG_LEVEL="loud",
    )
    subjects = {problem.split(":")[0] for problem in found}
    assert subjects == {
        "SOURCE_NAME", "SUPABASE_DB_PORT", "BACKUP_EVERY", "GUARD_SHRINK", "SUPABASE_DB_PASWORD",
        "SUPABASE_DB_PASSWORD_FILE", "TARGET_SIZE_LIMIT", "LOG_LEVEL",
    }  # fmt: skip


def test_an_unknown_variable_is_named_with_the_one_that_was_meant() -> None:
    assert problems(SUPABASE_DB_HOTS="x") == [
        "SUPABASE_DB_HOTS: there is no such variable; did you mean SUPABASE_DB_HOST?"
    ]
    assert problems(BACKUP_QQQ_ZZZ="x")[0].startswith("BACKUP_QQQ_ZZZ: there is no such variable")


def test_variables_of_others_are_left_alone() -> None:
    load(BackupSettings, {**LOCAL, "PATH": "/bin", "SQLITE_TMPDIR": "/tmp", "HOME": "/"})


def test_a_secret_comes_from_its_file_without_the_line_end(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text(" s3cret/@% \r\n")
    loaded = load(BackupSettings, {**LOCAL, "SUPABASE_DB_PASSWORD_FILE": str(secret)})
    assert loaded.supabase_db_password.get_secret_value() == " s3cret/@% "


def test_a_secret_given_twice_is_an_error_that_does_not_show_it(tmp_path: Path) -> None:
    secret = tmp_path / "password"
    secret.write_text("from-the-file")
    [problem] = problems(SUPABASE_DB_PASSWORD="from-the-variable", SUPABASE_DB_PASSWORD_FILE=str(secret))
    assert "given twice" in problem
    assert "from-the" not in problem


def test_a_secret_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"\xff\xfe\xfa")
    assert "No such file" in problems(SUPABASE_DB_PASSWORD_FILE="/not/there")[0]
    assert "not UTF-8" in problems(SUPABASE_DB_PASSWORD_FILE=str(tmp_path / "latin"))[0]


def test_printing_the_settings_shows_no_secret() -> None:
    loaded = load(BackupSettings, {**LOCAL, "SUPABASE_DB_PASSWORD": "s3cret"})
    assert "s3cret" not in f"{loaded!r} {loaded} {loaded.model_dump()}"


@pytest.mark.parametrize("name", ["Bot", "1bot", "a-b", "a b", "ä", "x" * 32, "a;drop", "_a"])
def test_a_source_name_that_cannot_be_a_schema_is_refused(name: str) -> None:
    assert problems(SOURCE_NAME=name)[0].startswith("SOURCE_NAME: use a lower-case letter")


@pytest.mark.parametrize("name", ["pg", "pg_bot", "supabase", "supabase_x"])
def test_a_source_name_that_postgres_or_supabase_keep_for_themselves_is_refused(name: str) -> None:
    assert "keep" in problems(SOURCE_NAME=name)[0]


@pytest.mark.parametrize("mode", ["prefer", "allow", "disable"])
@pytest.mark.parametrize("host", ["db.example.supabase.co", "10.0.0.5", "localhost.evil.example", "127.0.0.1.example"])
def test_a_connection_that_others_could_read_is_refused(mode: str, host: str) -> None:
    assert problems(SUPABASE_DB_SSLMODE=mode, SUPABASE_DB_HOST=host)[0].startswith("SUPABASE_DB_SSLMODE:")


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "/var/run/postgresql"])
def test_a_connection_on_this_machine_needs_no_tls(host: str) -> None:
    load(Settings, {"SUPABASE_DB_SSLMODE": "disable", "SUPABASE_DB_HOST": host})


def test_verifying_needs_a_ca_that_is_there(tmp_path: Path) -> None:
    assert "needs the CA" in problems(SUPABASE_DB_SSLMODE="verify-full")[0]
    missing = problems(SUPABASE_DB_SSLMODE="verify-ca", SUPABASE_DB_SSLROOTCERT=str(tmp_path / "ca.crt"))
    assert "there is no file" in missing[0]


def test_an_unknown_sslmode_is_refused() -> None:
    assert problems(SUPABASE_DB_SSLMODE="very-safe")[0].startswith("SUPABASE_DB_SSLMODE: is one of")


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("45s", 45), ("30m", 1800), ("6h", 21600), ("1d", 86400), ("2w", 1209600), ("1h30m", 5400), (" 1H 30M ", 5400)],
)
def test_durations_are_a_number_and_a_unit(text: str, seconds: int) -> None:
    assert parse_duration(text) == timedelta(seconds=seconds)


@pytest.mark.parametrize("text", ["", "6", "h", "6x", "-6h", "1.5h", "0s", "0h0m", "6h soon", "٣h"])
def test_anything_else_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"write a number|longer than 0"):
        parse_duration(text)


@pytest.mark.parametrize("text", ["99999999999w", "9" * 400 + "d"])
def test_a_duration_beyond_all_time_is_no_duration(text: str) -> None:
    assert problems(BACKUP_EVERY=text)[0].startswith("BACKUP_EVERY:")
