"""The date of the sidecar's machine is set while everything runs: nothing stops, nothing looks older than it is."""

from __future__ import annotations

from datetime import datetime

import breaking
from ground import Ground
from stack import poll


def points(ground: Ground, order: str) -> list[int]:
    return [int(run) for [run] in ground.stack.sql(f"SELECT run FROM sidemirror.runs ORDER BY {order}")]


def test_a_clock_that_is_set_back_by_an_hour_and_forward_by_a_day_changes_nothing(ground: Ground) -> None:
    with breaking.clock_of_its_own(ground) as set_clock:
        start = points(ground, "run")[-1]
        poll("the other container makes runs", lambda: points(ground, "run")[-1] > start + 1)
        before = points(ground, "run")
        for step, told in (("-1h", "The clock was set back by "), ("+1d", "The clock was set forward by ")):
            reached = points(ground, "run")[-1]
            set_clock(step)
            poll(f"it is told: {told}", lambda told=told: told in ground.stack.logs())  # type: ignore[misc]
            poll("runs go on", lambda reached=reached: points(ground, "run")[-1] > reached + 2)  # type: ignore[misc]
            found = ground.status()
            assert (found["safe"], found["seconds_since_equal"] < 60) == (True, True), found["sentence"]
            times = [datetime.fromisoformat(found["outcome"][name]) for name in ("tried_at", "next_at")]
            assert times == sorted(times)
            assert ground.backup().returncode == 0
        assert points(ground, "run")[: len(before)] == before, "no restore point is thinned out"
        assert points(ground, "finished_at") == points(ground, "run")
        ground.equal()
        assert [alert["message"] for alert in ground.alerts()] == []
    ground.well()
    ground.equal()
