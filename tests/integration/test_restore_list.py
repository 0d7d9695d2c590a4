"""restore --list: each restore point, its time in two zones, what changed, what it has, and whether a drill proved it."""

from __future__ import annotations

import json
from typing import Any

from commanding import backup
from fix_source import Source
from restoring import restore, restored


def listed(source: Source) -> dict[int, dict[str, Any]]:
    return {point["run"]: point for point in json.loads(restored(source, "--list", "--json").stdout)}


def life(source: Source) -> None:
    """Run 1 makes it all, 2 changes rows, 3 drops a table and changes another's shape, 4 a document."""
    source.write("CREATE TABLE t (a); INSERT INTO t VALUES (1), (2), (3); CREATE TABLE u (a); INSERT INTO u VALUES (1)")
    source.write("CREATE TABLE w (id INTEGER PRIMARY KEY AUTOINCREMENT); INSERT INTO w VALUES (9)", "two.db")
    (source.json / "data.json").write_text("{}")
    source.run()
    source.write("INSERT INTO t VALUES (4), (5); DELETE FROM t WHERE a = 1")
    source.run()
    source.write("DROP TABLE u; ALTER TABLE t RENAME COLUMN a TO b")
    source.run()
    (source.json / "data.json").write_text("[]")
    source.run()


def test_what_each_point_changed_and_what_it_has(source: Source) -> None:
    life(source)
    points = listed(source)
    assert {run: (point["rows"], point["upserted"], point["deleted"]) for run, point in points.items()} == {
        1: (6, 6, 0),
        2: (7, 2, 1),
        3: (6, points[3]["upserted"], points[3]["deleted"]),
        4: (6, 0, 0),
    }
    assert {run: point["changed"] for run, point in points.items()} == {
        1: {"tables": {"bot.db": ["t", "u"], "two.db": ["w"]}, "documents": ["data.json"]},
        2: {"tables": {"bot.db": ["t"]}, "documents": []},
        3: {"tables": {"bot.db": ["t", "u"]}, "documents": []},
        4: {"tables": {}, "documents": ["data.json"]},
    }
    for run, point in points.items():
        rows = sum(t.content.rows for database in source.read_state(run).databases for t in database.tables)
        assert point["rows"] == rows
    lines = restored(source, "--list").stdout.splitlines()
    assert [line.split()[0] for line in lines] == ["run", "4", "3", "2", "1"]
    assert lines[1].endswith("data.json")
    assert lines[3].endswith("bot.db: t")


def test_points_that_were_thinned_away_count_with_the_next_one(source: Source) -> None:
    life(source)
    source.target.query(
        "DELETE FROM sidemirror.runs WHERE run IN (2, 3) "
        "AND source_id = (SELECT id FROM sidemirror.sources WHERE name = %s)",
        source.name,
    )
    points = listed(source)
    assert points[4]["changed"] == {"tables": {"bot.db": ["t", "u"]}, "documents": ["data.json"]}
    assert (points[4]["rows"], points[1]["rows"]) == (6, 6)


def test_times_are_in_utc_and_in_the_zone_of_that_day(source: Source) -> None:
    life(source)
    for run, at in ((1, "2026-03-29 00:30Z"), (2, "2026-03-29 01:30Z")):
        source.target.query("UPDATE sidemirror.runs SET finished_at = %s WHERE run = %s", at, run)
    told = restore(source, "--list", TZ="Europe/Berlin").stdout
    assert "2026-03-29 00:30:00  2026-03-29 01:30:00 CET " in told
    assert "2026-03-29 01:30:00  2026-03-29 03:30:00 CEST" in told
    assert listed(source)[1]["at"] == "2026-03-29T00:30:00+00:00"


def test_a_point_that_a_drill_proved_says_so_and_how_long_it_took(source: Source) -> None:
    life(source)
    assert backup(source, "drill").returncode == 0
    points = listed(source)
    assert [(point["proved"], bool(point["drill"])) for point in points.values()] == [(True, True)] + [
        (False, False)
    ] * 3
    assert points[4]["drill"]["ok"] is True
    assert f"{points[4]['drill']['seconds']:.1f} s" in restored(source, "--list").stdout.splitlines()[1]
    source.target.query(f"UPDATE {source.name}_two.w SET id = 10")
    assert backup(source, "drill").returncode != 0
    assert "  FAILED  " in restored(source, "--list").stdout.splitlines()[1]
    assert listed(source)[4]["drill"]["what"]
