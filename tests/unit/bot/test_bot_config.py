"""Settings: read once, every problem told together, exit code 2."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from bot.config import Config, read_config
from bot.errors import ConfigError

TOKEN = "123456:ABC-def_9"


def _env(tmp_path, **more):
    return {"SQLITE_DIR": str(tmp_path), "JSON_DIR": str(tmp_path), "BOT_TOKEN": TOKEN, **more}


def test_with_a_token_the_bot_talks_to_telegram(tmp_path):
    default = Config(tmp_path, tmp_path, TOKEN, "https://api.telegram.org")
    assert read_config(_env(tmp_path)) == default
    assert read_config(_env(tmp_path, TELEGRAM_API_BASE="", BOT_TOKEN_FILE="")) == default


def test_another_server_of_the_bot_api_can_be_named(tmp_path):
    assert read_config(_env(tmp_path, TELEGRAM_API_BASE="http://telegram:8081/")).api_base == "http://telegram:8081"


@pytest.mark.parametrize("given", ["telegram:8081", "ftp://x", "http://", "http://x:port", "http://x/{token}", "//x"])
def test_an_address_that_is_none_is_refused_by_its_name(tmp_path, given):
    with pytest.raises(ConfigError, match="1 problem") as caught:
        read_config(_env(tmp_path, TELEGRAM_API_BASE=given))
    assert f"TELEGRAM_API_BASE={given!r}" in str(caught.value)


def test_the_token_can_stand_in_a_file(tmp_path):
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    assert read_config(_env(tmp_path, BOT_TOKEN="", BOT_TOKEN_FILE=str(tmp_path / "token"))).token == TOKEN


@pytest.mark.parametrize(
    ("token", "content", "said"),
    [
        ("", None, "there is no token"),
        ("", "", "there is no token"),
        ("", "secret", "the form 123456:ABC-def"),
        ("secret", None, "the form 123456:ABC-def"),
        ("12:se cret", None, "the form 123456:ABC-def"),
        ("12:secret", "12:secret", "both set"),
    ],
)
def test_a_token_that_is_none_is_refused_and_never_shown(tmp_path, token, content, said):
    env = _env(tmp_path, BOT_TOKEN=token)
    if content is not None:
        (tmp_path / "token").write_text(content)
        env["BOT_TOKEN_FILE"] = str(tmp_path / "token")
    with pytest.raises(ConfigError, match="1 problem") as caught:
        read_config(env)
    assert said in str(caught.value)
    assert "cret" not in str(caught.value)


def test_a_token_file_that_cannot_be_read_is_told(tmp_path):
    with pytest.raises(ConfigError, match="1 problem") as caught:
        read_config(_env(tmp_path, BOT_TOKEN="", BOT_TOKEN_FILE=str(tmp_path / "absent")))
    assert "No such file" in str(caught.value)


def test_settings_that_are_printed_do_not_show_the_token(tmp_path):
    assert TOKEN not in repr(read_config(_env(tmp_path)))


def test_all_problems_are_told_at_once_each_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        read_config({"SQLITE_DIR": str(tmp_path / "file"), "TELEGRAM_API_BASE": "x"})
    said = str(caught.value)
    for part in ("4 problems", "SQLITE_DIR=", "is not a folder", "JSON_DIR is not set", "no token", "not an address"):
        assert part in said
    assert said.count("Try: ") == 4


@pytest.fixture
def open_folder():
    """A folder that every user can reach: pytest's own are closed to others."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def _nobody():
    """Root may write everywhere, so for a moment the test is somebody else."""
    before = os.geteuid()
    if before == 0:
        os.seteuid(65534)
    try:
        yield f"{os.geteuid()}:{os.getegid()}"
    finally:
        os.seteuid(before)


def test_a_folder_that_cannot_be_written_is_refused_with_the_user_to_give_it_to(open_folder):
    closed = open_folder / "closed"
    closed.mkdir(mode=0o555)
    with _nobody() as who, pytest.raises(ConfigError, match="2 problems") as caught:
        read_config(_env(closed))
    assert f"cannot be written by user {who}" in str(caught.value)
    assert f"chown {who}" in str(caught.value)


def test_a_folder_that_cannot_be_reached_is_refused_and_not_taken_for_missing(open_folder):
    (open_folder / "closed" / "data").mkdir(parents=True)
    (open_folder / "closed").chmod(0o000)
    with _nobody() as who, pytest.raises(ConfigError, match="2 problems") as caught:
        read_config(_env(open_folder / "closed" / "data"))
    assert f"cannot be reached by user {who}" in str(caught.value)
    (open_folder / "closed").chmod(0o700)


@pytest.mark.alone
def test_the_process_ends_with_code_2_and_creates_nothing(bot):
    code, out, err = bot.run(SQLITE_DIR=str(bot.root / "absent"), BOT_TOKEN="many")
    assert (code, out) == (2, "")
    assert "2 problems" in err
    assert "does not exist" in err
    assert "Traceback" not in err
    assert not (bot.root / "absent").exists()
    assert list(bot.json_dir.iterdir()) == []


def test_an_unknown_argument_ends_with_code_2_and_the_usage(bot):
    assert bot.run("dance") == (2, "", "usage: python3 -m bot [health]\n")
