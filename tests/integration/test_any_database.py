"""Random databases through random changes: mirror and source are equal, and so is every restore point, thinned or not."""

from __future__ import annotations

import shutil
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from fix_schemas import Life, lives
from fix_source import Source
from fix_target import Target
from hypothesis import given, settings

from backup.thin import thin
from mirror.retention import parse_rules
from mirror.target import connected


def _live(life: Life, target: Target) -> None:
    folder = Path(tempfile.mkdtemp())
    source = Source(folder / "source", target)
    try:
        for steps in life.days:
            with source.database() as connection:
                for step in steps:
                    step.run(connection)
            source.point("full" if life.full else "run")
            if life.forgetful:
                shutil.rmtree(source.state / "shadow", ignore_errors=True)
        source.verify()
        _thin_every_other_point(source)
        source.verify()
    finally:
        source.forget()
        shutil.rmtree(folder)


def _thin_every_other_point(source: Source) -> None:
    old = [run for run in sorted(source.points)[:-1] if run % 2]
    source.target.query(
        "UPDATE sidemirror.runs SET finished_at = finished_at - interval '2 days' WHERE run = ANY(%s) "
        "AND source_id = (SELECT id FROM sidemirror.sources WHERE name = %s)",
        old,
        source.name,
    )
    with connected(source.settings) as connection:
        assert thin(connection, source.name, parse_rules("all:24h"), datetime.now(UTC)) == len(old)
    for run in old:
        del source.points[run]


@given(life=lives())
def test_every_restore_point_of_any_life_comes_back(life: Life, target: Target) -> None:
    _live(life, target)


@given(life=lives(max_days=6, schema_changes=False))
def test_every_restore_point_of_a_life_of_many_row_changes_comes_back(life: Life, target: Target) -> None:
    _live(life, target)


@given(life=lives(encodings=("UTF-16le", "UTF-16be")))
def test_every_restore_point_of_any_life_in_utf_16_comes_back(life: Life, target: Target) -> None:
    _live(life, target)


@settings(max_examples=max(10, settings.default.max_examples // 8))
@given(life=lives(encodings=("UTF-8", "UTF-16le"), with_large=True))
def test_every_restore_point_of_any_life_with_large_values_comes_back(life: Life, target: Target) -> None:
    _live(life, target)


@given(life=lives(without_rowid=True))
def test_every_restore_point_of_any_life_without_rowids_comes_back(life: Life, target: Target) -> None:
    _live(life, target)
