"""What lies in the bot's folders and is no file of the bot's in the right one: told by name, never left out in silence."""

from __future__ import annotations

import json
import os
from collections.abc import Callable

import pytest
from fix_source import Source

from backup import documents
from mirror.errors import SourceUnsupported

GOOD = "CREATE TABLE t (a INTEGER PRIMARY KEY, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, 'y');"
SECRET = '"the password of the target"'


def link_to_a_secret(source: Source) -> str:
    outside = source.folder / "password"
    outside.write_text(SECRET)
    (source.json / "data.json").symlink_to(outside)
    return "data.json is a link"


def link_of_the_host(source: Source) -> str:
    (source.json / "data.json").symlink_to("/srv/my-bot/data.json")
    return "data.json is a link"


def linked_database(source: Source) -> str:
    (source.sqlite / "bot.db").symlink_to("/srv/my-bot/bot.db")
    return "bot.db is a link"


def linked_database_of_the_folder(source: Source) -> str:
    (source.sqlite / "current.db").symlink_to("good.db")
    return "current.db is a link"


def linked_folder(source: Source) -> str:
    outside = source.folder / "elsewhere"
    outside.mkdir()
    (outside / "data.json").write_text("{}")
    (source.json / "more").symlink_to(outside)
    return "more is a link"


def linked_folder_of_databases(source: Source) -> str:
    (source.sqlite / "more").symlink_to(source.json)
    return "more is a link"


def database_among_documents(source: Source) -> str:
    source.write(GOOD, "bot.sqlite")
    (source.sqlite / "bot.sqlite").rename(source.json / "bot.sqlite")
    return "bot.sqlite is a database among the JSON files"


def misplaced_under_a_name_that_is_not_utf_8(source: Source) -> str:
    (source.json / os.fsdecode(b"caf\xe9.db")).write_bytes(b"")
    return "caf\\xe9.db is a database among the JSON files"


def document_among_databases(source: Source) -> str:
    (source.sqlite / "config.json").write_text("{}")
    return "config.json is a JSON file among the databases"


PLACES = [
    link_to_a_secret,
    link_of_the_host,
    linked_database,
    linked_database_of_the_folder,
    linked_folder,
    linked_folder_of_databases,
    database_among_documents,
    misplaced_under_a_name_that_is_not_utf_8,
    document_among_databases,
]


@pytest.mark.parametrize("lay", PLACES)
def test_it_is_refused_by_name_and_the_others_go_on(lay: Callable[[Source], str], source: Source) -> None:
    source.write(GOOD, "good.db")
    words = lay(source)
    report = source.try_run()
    [refusal] = report.refusals
    assert isinstance(refusal.error, SourceUnsupported)
    assert words in refusal.error.what
    assert refusal.error.hint
    str(refusal.error).encode()
    refusal.file.encode()
    state = source.read_state()
    assert [database.file for database in state.databases] == ["good.db"]
    assert state.documents == ()


def test_a_document_that_becomes_a_link_is_told_once_and_its_mirror_stays(source: Source) -> None:
    (source.json / "data.json").write_text('{"a": 1}')
    source.run()
    (source.json / "data.json").unlink()
    link_to_a_secret(source)
    [refusal] = source.try_run().refusals
    assert "is a link" in refusal.error.what
    [document] = source.read_state().documents
    assert document.file == "data.json"


def test_a_link_that_stays_in_the_folder_is_read(source: Source) -> None:
    (source.json / "v2.json").write_text('{"v": 2}')
    (source.json / "current.json").symlink_to("v2.json")
    source.run()
    assert [document.file for document in source.read_state().documents] == ["current.json", "v2.json"]


def test_a_link_that_is_laid_after_the_look_is_not_read(source: Source) -> None:
    link_to_a_secret(source)
    with pytest.raises(SourceUnsupported, match="leads out"):
        documents.read(documents.Reading(source.json, source.state, 1000), "data.json")


def test_nothing_else_in_the_folders_is_a_matter(source: Source) -> None:
    source.write(GOOD, "good.db")
    for path in (source.sqlite / "notes.txt", source.json / "notes.txt", source.json / ".hidden.json"):
        path.write_text("x")
    (source.json / "backups").mkdir()
    (source.json / "backups/backup_20260101_000000.json").write_text(json.dumps({"a": 1}))
    (source.json / "lock").symlink_to("host-4711")
    (source.sqlite / "lock").symlink_to("host-4711")
    assert source.try_run().refusals == ()
