"""Names of others are shown as what they are: nothing in them moves the cursor, ends a line or turns the direction."""

from __future__ import annotations

import logging

import pytest

from mirror.errors import SourceCorrupt
from mirror.log_line import formatter
from mirror.plain_text import indented, shown, shown_lines

HOSTILE = "a\x1b[2J\n\u202e\u200bb\x9b1m\u2028c\ud800"


def test_ordinary_names_stay_as_they_are() -> None:
    for name in ("bot.db", "Ünïcödé 漢字 עברית", "a\\b", "\U0001f469\u200d\U0001f467", ""):
        assert shown(name) == name


def test_what_is_not_seen_is_written_as_its_number() -> None:
    assert shown(HOSTILE) == r"a\x1b[2J\x0a\u202e\u200bb\x9b1m\u2028c\ud800"
    assert shown_lines("a\tb\n\x1bc") == "a\tb\n\\x1bc"
    assert indented("a\nNOT SAFE") == "a\n    NOT SAFE"


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_of_the_log_is_begun_or_coloured_by_a_name(form: str) -> None:
    record = logging.makeLogRecord({"msg": "%s", "args": (HOSTILE,), "levelname": "INFO", "levelno": 20})
    line = formatter(form).format(record)
    assert not any(character in line for character in "\x1b\u202e\u200b\x9b\u2028")
    assert all(each.startswith("    ") for each in line.split("\n")[1:])


def test_an_error_says_names_plainly() -> None:
    error = SourceCorrupt(f"{HOSTILE} is corrupt", HOSTILE)
    for text in (error.what, error.hint, str(error)):
        assert "\x1b" not in text
        assert "\u202e" not in text
