"""A document that loses nearly all of itself is held until a person says that it is meant; its mirror stays."""

from __future__ import annotations

import json

import pytest
from commanding import backup
from fix_source import Source
from restoring import restored

FULL = json.dumps({"users": [{"name": f"user {n}"} for n in range(100)]})
FILE = "data.json"


@pytest.fixture
def filled(source: Source) -> Source:
    """Run 1 has a small document, run 2 a full one."""
    source.environ["GUARD_SHRINK"] = "50%"
    (source.json / FILE).write_text("{}")
    source.run()
    (source.json / FILE).write_text(FULL)
    source.run()
    return source


def mirrored(source: Source, file: str = FILE) -> str:
    [row] = source.target.query(
        "SELECT convert_from(bytes, 'UTF8') FROM sidemirror.documents_now WHERE source = %s AND file = %s",
        source.settings.source_name,
        file,
    )
    return str(row[0])


def test_an_emptied_one_is_held_and_accept_lets_it_through(filled: Source) -> None:
    (filled.json / FILE).write_text("{}")
    held = backup(filled, "once")
    assert held.returncode == 6
    assert f"data.json is held, it was not mirrored: the document would go from {len(FULL)} bytes to 2" in held.stdout
    assert "./sidemirror accept" in held.stdout
    assert mirrored(filled) == FULL
    assert backup(filled, "accept", FILE).returncode == 0
    assert backup(filled, "once").returncode == 0
    assert mirrored(filled) == "{}"
    restored(filled, "--run", "2", "--yes")
    assert (filled.json / FILE).read_text() == FULL


def test_the_others_go_on(filled: Source) -> None:
    (filled.json / FILE).write_text("{}")
    (filled.json / "other.json").write_text("[1]")
    [refusal] = filled.try_run().refusals
    assert refusal.file == FILE
    assert {document.file for document in filled.read_state().documents} == {FILE, "other.json"}
    assert mirrored(filled, "other.json") == "[1]"


@pytest.mark.parametrize("text", [FULL[: len(FULL) // 2].rsplit(", ", 1)[0] + "]}", json.dumps(["x" * 400])])
def test_one_that_keeps_a_tenth_goes_through(filled: Source, text: str) -> None:
    (filled.json / FILE).write_text(text)
    assert filled.try_run().refusals == ()
    assert mirrored(filled) == text


def test_a_small_one_may_lose_everything(filled: Source) -> None:
    (filled.json / "small.json").write_text(json.dumps(["x" * 900]))
    filled.run()
    (filled.json / "small.json").write_text("[]")
    assert filled.try_run().refusals == ()


def test_without_the_guard_it_goes_through(filled: Source) -> None:
    filled.environ["GUARD_SHRINK"] = "off"
    (filled.json / FILE).write_text("{}")
    assert filled.try_run().refusals == ()


def test_what_a_restore_took_away_is_meant_and_nothing_more(filled: Source) -> None:
    restored(filled, "--run", "1", "--yes")
    (filled.json / FILE).write_text('{"the bot": "goes on"}')
    assert filled.try_run().refusals == ()
    assert mirrored(filled) == '{"the bot": "goes on"}'
    restored(filled, "--run", "2", "--yes")
    assert filled.try_run().refusals == ()
    (filled.json / FILE).write_text("{}")
    [refusal] = filled.try_run().refusals
    assert "is held" in str(refusal.error)


def test_a_restore_of_a_large_one_lets_no_emptying_through(filled: Source) -> None:
    (filled.json / FILE).write_text(FULL.replace("user", "member"))
    filled.run()
    restored(filled, "--run", "2", "--yes")
    (filled.json / FILE).write_text("{}")
    assert backup(filled, "once").returncode == 6
