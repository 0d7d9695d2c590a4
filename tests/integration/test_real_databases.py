"""Databases that others publish: PROJ's coordinate systems (Debian's proj-data) and mendeleev's elements (PyPI)."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
from pathlib import Path

import pytest
from fix_source import Source

PUBLISHED = {
    "proj.db": Path("/usr/share/proj/proj.db"),
    "elements.db": Path(sysconfig.get_path("purelib"), "mendeleev/elements.db"),
}


def sqlite(*command: str | Path) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_published_database_comes_back_with_the_same_dump(name: str, source: Source) -> None:
    shutil.copy(PUBLISHED[name], source.sqlite / name)
    published = sqlite("sqlite3", source.sqlite / name, ".dump")
    assert published.count("INSERT INTO") > 1000

    report = source.point()

    source.verify()
    assert report.run is not None
    restored = source.rebuild(report.run)[name]
    assert sqlite("sqlite3", restored, ".dump") == published
    assert sqlite("sqldiff", source.sqlite / name, restored) == ""
