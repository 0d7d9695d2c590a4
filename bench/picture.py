"""The bars of all figures as one picture: charts below each other, each with its own scale."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pygal
from pygal.style import CleanStyle

from bench.measure import Bar, Figure

OURS, OTHERS = "#2f7d5b", "#9aa5b1"
HEIGHT_OF_A_BAR, HEIGHT_OF_A_TITLE, WIDTH = 34, 60, 760


def draw(figures: Sequence[Figure], folder: Path) -> list[str]:
    """Writes one SVG for each chart; gives their names, in order."""
    charts: dict[str, list[Bar]] = {}
    for figure in figures:
        if figure.bar is not None:
            charts.setdefault(figure.bar.chart, []).append(figure.bar)
    names = []
    for title, bars in charts.items():
        names.append(f"figures-{_slug(title)}.svg")
        _chart(title, bars).render_to_file(str(folder / names[-1]))
    return names


def _chart(title: str, bars: list[Bar]) -> pygal.HorizontalBar:
    style = CleanStyle(colors=(OTHERS,), value_font_size=13, label_font_size=13, title_font_size=15, background="white")
    chart = pygal.HorizontalBar(
        title=title,
        style=style,
        width=WIDTH,
        height=HEIGHT_OF_A_TITLE + HEIGHT_OF_A_BAR * len(bars) + 40,
        show_legend=False,
        print_values=True,
        print_values_position="top",
        value_formatter=lambda value: f"{value:.3g}",
        show_y_guides=False,
        js=(),
        range=(0, max(bar.length for bar in bars) * 1.1),
    )
    drawn = list(reversed(bars))  # the first one on top
    chart.x_labels = [bar.label for bar in drawn]
    chart.add("", [{"value": bar.length, "color": OURS if bar.ours else OTHERS} for bar in drawn])
    return chart


def _slug(title: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in title.lower()).split()[:2])
