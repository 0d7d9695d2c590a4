"""A bot that was taken over owns the folders that the restore job works in, but not what the job can read beside them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fix_source import Source
from restoring import KILLED_BEFORE_RENAME, content, fill_all, killed, restore, restored

SECRET = "the password of the target"


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "target_password"
    path.write_text(SECRET)
    return path


def leaked(source: Source) -> list[Path]:
    return [
        path
        for root in (source.sqlite, source.json)
        for path in root.rglob("*")
        if path.is_file() and not path.is_symlink() and SECRET.encode() in path.read_bytes()
    ]


@pytest.mark.parametrize("arguments", [("--yes",), ("--if-empty",), ("--yes", "--undo")])
@pytest.mark.parametrize("way", ["by its path", "through a link", "by steps up"])
def test_a_list_of_moves_that_no_restore_wrote_is_not_followed(
    way: str, arguments: tuple[str, ...], source: Source, secret: Path
) -> None:
    fill_all(source)
    source.run()
    staged = source.sqlite / ".sidemirror" / "staged" / "bot.db"
    staged.parent.mkdir(parents=True)
    staged.write_bytes(b"anything")
    (source.sqlite / "away").symlink_to(secret.parent)
    destination = {
        "by its path": str(secret),
        "through a link": str(source.sqlite / "away" / secret.name),
        "by steps up": f"{source.sqlite}/../../{secret.name}",
    }[way]
    replaced = source.sqlite / "replaced" / "20260101T000000Z" / "bot.db"
    journal = source.notes / "restoring.json"
    journal.write_text(json.dumps([{"staged": str(staged), "destination": destination, "replaced": str(replaced)}]))
    result = restore(source, *arguments)
    assert (result.returncode, "which is no file of an interrupted restore" in result.stderr) == (9, True)
    assert secret.read_text() == SECRET
    assert leaked(source) == []


def test_a_link_among_what_is_kept_is_not_put_back(source: Source, secret: Path) -> None:
    fill_all(source)
    source.run()
    restored(source, "--yes")
    [kept] = (source.sqlite / "replaced").iterdir()
    (kept / "stolen.db").symlink_to(secret)
    (source.sqlite / "bot.db").unlink()
    (source.sqlite / "bot.db").symlink_to(secret)
    restored(source, "--yes", "--undo", kept.name)
    assert leaked(source) == []
    assert not (source.sqlite / "stolen.db").exists()


def test_the_list_of_a_real_restore_is_followed_where_the_folders_are_reached_by_a_link(
    source: Source, tmp_path: Path
) -> None:
    fill_all(source)
    source.run()
    before = content(source, tmp_path / "before")
    link = tmp_path / "link"
    link.symlink_to(source.sqlite)
    environ, source.environ = source.environ, source.environ | {"SQLITE_DIR": str(link)}
    source.write("DELETE FROM t")
    assert killed(source, KILLED_BEFORE_RENAME, link / "bot.db")
    source.environ = environ | {"SQLITE_DIR": str(link)}
    restored(source, "--yes")
    assert content(source, tmp_path / "after") == before
