"""Settings: read once, every problem told together, exit code 2."""

from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path

import pytest
from bot.config import Config, read_config
from bot.errors import ConfigError


def _env(tmp_path, **more):
    return {"SQLITE_DIR": str(tmp_path), "JSON_DIR": str(tmp_path), **more}


def test_two_actions_a_second_and_a_seed_by_chance_are_the_default(tmp_path):
    default = Config(tmp_path, tmp_path, 2.0, None)
    assert read_config(_env(tmp_path)) == default
    assert read_config(_env(tmp_path, BOT_TRAFFIC="", BOT_SEED="")) == default


@pytest.mark.parametrize(("given", "meant"), [("0", 0.0), ("0.5", 0.5), (" 500 ", 500.0), ("5000", 5000.0)])
def test_traffic_is_a_number_from_zero_on(tmp_path, given, meant):
    env = _env(tmp_path, BOT_TRAFFIC=given, BOT_SEED="x")
    assert read_config(env) == Config(tmp_path, tmp_path, meant, "x")


@pytest.mark.parametrize("given", ["fast", "-1", "nan", "inf", "1e9", "2,5", "0x10"])
def test_traffic_that_is_no_rate_is_refused_by_its_name(tmp_path, given):
    with pytest.raises(ConfigError, match="1 problem") as caught:
        read_config(_env(tmp_path, BOT_TRAFFIC=given))
    assert f"BOT_TRAFFIC={given!r}" in str(caught.value)


def test_all_problems_are_told_at_once_each_with_what_to_do(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError) as caught:
        read_config({"SQLITE_DIR": str(tmp_path / "file"), "BOT_TRAFFIC": "fast", "BOT_SEED": "s" * 101})
    said = str(caught.value)
    for part in (
        "4 problems",
        "SQLITE_DIR=",
        "is not a folder",
        "JSON_DIR is not set",
        "'fast'",
        "101 characters",
    ):
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


def test_the_process_ends_with_code_2_and_creates_nothing(bot):
    code, out, err = bot.run(SQLITE_DIR=str(bot.root / "absent"), BOT_TRAFFIC="many")
    assert (code, out) == (2, "")
    assert "2 problems" in err
    assert "does not exist" in err
    assert "Traceback" not in err
    assert not (bot.root / "absent").exists()
    assert list(bot.json_dir.iterdir()) == []


def test_an_unknown_argument_ends_with_code_2_and_the_usage(bot):
    assert bot.run("dance") == (2, "", "usage: python3 -m bot [health]\n")
