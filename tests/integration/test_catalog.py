"""The catalog's versions: made new, brought up from an older one with all that it holds, and refused when it is newer."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from commanding import backup
from fix_source import Source
from fix_target import Target
from restoring import fill, restored

from mirror.catalog_install import VERSION, install
from mirror.errors import TargetTaken
from mirror.target import connected

VERSION_1 = (Path(__file__).parent / "fixtures/catalog-v1.sql").read_text(encoding="utf-8")
OLD_INSTALLATION = "9a82ef9b-4ab2-4ace-a43c-cd80a2a4dfed"
DAYS = {
    1: [(1, "one", 1.5), (2, "two", None), (3, "three", "text in REAL")],
    2: [(1, "ONE", 1.5), (2, "two", None), (3, "three", "text in REAL"), (4, "four", 4.0)],
}
DAY_3 = """
PRAGMA user_version = 7;
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b REAL);
INSERT INTO t VALUES (1, 'ONE', 1.5), (2, 'two', NULL), (3, 'three', 'text in REAL'), (4, 'four', 4);
CREATE INDEX i ON t (a);
ALTER TABLE t ADD COLUMN c BLOB; UPDATE t SET c = x'00ff' WHERE id = 2;
"""


@pytest.fixture
def old(source: Source) -> Source:
    """A source whose mirror version 1 made, as its three runs left it; this installation is the one that made it."""
    source.target.query("DROP SCHEMA IF EXISTS sidemirror CASCADE; DROP SCHEMA IF EXISTS old_bot CASCADE")
    source.target.query(VERSION_1)
    source.name = "old"
    source.environ["SOURCE_NAME"] = "old"
    source.environ["RETENTION"] = "all:5200w"  # its runs are of the day on which version 1 made them
    (source.state / "installation").write_text(OLD_INSTALLATION)
    source.write(DAY_3)
    (source.json / "data.json").write_text('{"day": 3}')
    return source


def version(target: Target) -> int:
    return int(target.query("SELECT version FROM sidemirror.version")[0][0])


def test_a_catalog_of_version_1_is_brought_up_to_date_with_all_that_it_holds(old: Source, tmp_path: Path) -> None:
    assert version(old.target) == 1
    report = old.run()
    assert (version(old.target), report.run, report.committed) == (VERSION, 3, False), "what is there is known"
    assert backup(old, "once", "--full").returncode == 0
    assert old.target.query("SELECT * FROM sidemirror.exposed()") == []
    for run, rows in DAYS.items():
        [file] = old.rebuild(run).values()
        with old.database(str(file)) as connection:
            assert connection.execute("SELECT * FROM t ORDER BY id").fetchall() == rows
            assert connection.execute("PRAGMA user_version").fetchone() == (7,)
    for run, content in {2: '{"day": 1}', 3: '{"day": 3}'}.items():
        restored(old, "--run", str(run), "--yes", "--into", str(tmp_path / str(run)))
        assert (tmp_path / str(run) / "json/data.json").read_text() == content
    assert old.target.query("SELECT body, body_why_not FROM sidemirror.documents_now") == [({"day": 3}, None)]
    assert old.target.query("SELECT to_regclass('sidemirror.document_contents_whole') IS NULL") == [(True,)]
    old.write("UPDATE t SET a = 'new' WHERE id = 1")
    assert old.point().run == 4
    old.verify()


def test_an_older_catalog_can_be_restored_from_and_is_left_as_it_is(old: Source, tmp_path: Path) -> None:
    restored(old, "--run", "2", "--yes", "--into", str(tmp_path / "there"))
    assert (tmp_path / "there/json/data.json").read_text() == '{"day": 1}'
    assert version(old.target) == 1


def test_another_installation_does_not_touch_an_older_catalog(old: Source) -> None:
    (old.state / "installation").unlink()
    with pytest.raises(TargetTaken):
        old.try_run()
    assert version(old.target) == 1


def test_a_step_that_fails_leaves_the_older_catalog_whole(old: Source) -> None:
    old.target.query("CREATE TABLE sidemirror.drills (in_the_way integer)")
    failed = backup(old, "once")
    assert failed.returncode == 4
    assert version(old.target) == 1
    assert old.target.query("SELECT to_regprocedure('sidemirror.state(text, bigint)') IS NOT NULL") == [(True,)]
    old.target.query("DROP TABLE sidemirror.drills")
    assert backup(old, "once").returncode == 0
    assert version(old.target) == VERSION


def test_a_newer_catalog_is_refused_by_name_and_left_as_it_is(source: Source) -> None:
    fill(source)
    source.run()
    source.target.query("UPDATE sidemirror.version SET version = 99")
    try:
        for command in (("once",), ("take-over", "--yes")):
            failed = backup(source, *command)
            assert failed.returncode == 5
            assert f"the target's catalog has version 99, this program knows {VERSION}" in failed.stderr
            assert "use the same or a newer version of Sidemirror" in failed.stderr
        assert version(source.target) == 99
    finally:
        source.target.query("UPDATE sidemirror.version SET version = %s", VERSION)


def test_two_that_install_at_once_wait_for_each_other(source: Source) -> None:
    source.target.query("DROP SCHEMA IF EXISTS sidemirror CASCADE")
    outcomes: list[tuple[int, int]] = []

    def one() -> None:
        with connected(source.settings) as connection:
            outcomes.append(install(connection))

    threads = [threading.Thread(target=one) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == [(0, VERSION), *[(VERSION, VERSION)] * 3]
