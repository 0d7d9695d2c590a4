"""Series for the charts, thinned out so that a year is no more to draw than a day; and when the target will be full."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass
from typing import Any

# More points than a chart has pixels help nobody.
MOST_POINTS = 400

DAY = 86400.0
LOOK_BACK_SECONDS = 14 * DAY


@dataclass(frozen=True)
class Projection:
    """At the growth of the last two weeks: bytes a day, and when the limit is reached (epoch; None: not by this growth)."""

    bytes_a_day: float
    full_at: float | None


def charts(view: sqlite3.Connection) -> dict[str, Any]:
    """Columns for uPlot: times first. `runs`: seconds, lag and bytes of each try; `sizes`: bytes of the target."""
    tries = view.execute("SELECT at, seconds, lag, bytes_sent FROM tries ORDER BY at").fetchall()
    sizes = view.execute("SELECT at, bytes FROM sizes ORDER BY at").fetchall()
    return {"runs": columns(_most(tries), 4), "sizes": columns(_last(sizes), 2)}


def projection(view: sqlite3.Connection, limit: int, now: float) -> Projection | None:
    """None while there are not two sizes an hour apart."""
    sizes = view.execute("SELECT at, bytes FROM sizes WHERE at >= ? ORDER BY at", (now - LOOK_BACK_SECONDS,)).fetchall()
    if len(sizes) < 2 or sizes[-1][0] - sizes[0][0] < 3600:
        return None
    mean_at = sum(at for at, _ in sizes) / len(sizes)
    mean_size = sum(size for _, size in sizes) / len(sizes)
    spread = sum((at - mean_at) ** 2 for at, _ in sizes)
    slope = sum((at - mean_at) * (size - mean_size) for at, size in sizes) / spread
    left = limit - sizes[-1][1]
    full_at = now + left / slope if slope > 0 and left > 0 and left / slope < 3650 * DAY else None
    return Projection(slope * DAY, full_at)


def columns(rows: list[tuple[Any, ...]], width: int) -> list[list[Any]]:
    """Rows as columns; empty ones where there is no row."""
    return [list(column) for column in zip(*rows, strict=True)] if rows else [[] for _ in range(width)]


def _most(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Of each group of neighbours its largest values: a peak stays to be seen."""
    group = -(-len(rows) // MOST_POINTS) or 1
    return [
        (
            some[-1][0],
            *(max((v for v in column if v is not None), default=None) for column in list(zip(*some, strict=True))[1:]),
        )
        for some in (rows[start : start + group] for start in range(0, len(rows), group))
    ]


def _last(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    group = -(-len(rows) // MOST_POINTS) or 1
    return [rows[min(start + group, len(rows)) - 1] for start in range(0, len(rows), group)]
