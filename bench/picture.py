"""The bars of all figures as pictures: one SVG for each chart, each with its own scale, for light and dark."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape
from pathlib import Path

from bench.measure import Bar, Figure

WIDTH, TITLE, BAR, PITCH, FOOT = 760, 46, 20, 34, 10
VALUE = 70  # room for a figure behind the longest bar
LETTER = 7.8  # the width that a letter of a label takes at the most, on average

# The picture stands in pages of either kind, so it brings its own paper.
STYLE = """
text { font: 14px system-ui, sans-serif; fill: #1f2328 } .title { font-weight: 600; font-size: 15px }
.paper { fill: #f6f8fa } .ours { fill: #1f6f5c } .other { fill: #9aa5b1 } .axis { stroke: #8c959f }
@media (prefers-color-scheme: dark) {
text { fill: #e6edf3 } .paper { fill: #161b22 } .ours { fill: #4cb08f } .other { fill: #6e7985 } .axis { stroke: #6e7681 }
}
"""


def draw(figures: Sequence[Figure], folder: Path) -> list[str]:
    """Writes one SVG for each chart; gives their names, in order."""
    charts: dict[str, list[Bar]] = {}
    for figure in figures:
        if figure.bar is not None:
            charts.setdefault(figure.bar.chart, []).append(figure.bar)
    names = []
    for title, bars in charts.items():
        names.append(f"figures-{_slug(title)}.svg")
        (folder / names[-1]).write_text("\n".join(_chart(title, bars)) + "\n", encoding="utf-8")
    return names


def _chart(title: str, bars: list[Bar]) -> Iterator[str]:
    """The labels to the left of a line, the bars to its right, the figures behind them."""
    height = TITLE + PITCH * len(bars) + FOOT
    left = 24 + round(LETTER * max(len(bar.label) for bar in bars))
    scale = (WIDTH - left - VALUE) / (max(bar.length for bar in bars) or 1)
    told = "; ".join(f"{bar.label}: {bar.length:.3g}" for bar in bars)
    yield (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" aria-label="{escape(f"{title}. {told}")}">'
    )
    yield f"<style>{STYLE}</style>"
    yield f'<rect class="paper" width="{WIDTH}" height="{height}" rx="10"/>'
    yield f'<text class="title" x="16" y="28">{escape(title)}</text>'
    for place, bar in enumerate(bars):
        top = TITLE + PITCH * place
        kind, length, middle = "ours" if bar.ours else "other", max(1.5, bar.length * scale), top + BAR / 2 + 5
        yield f'<text x="{left - 10}" y="{middle:g}" text-anchor="end">{escape(bar.label)}</text>'
        yield f'<rect class="{kind}" x="{left}" y="{top}" width="{length:.1f}" height="{BAR}"/>'
        yield f'<text x="{left + length + 8:.1f}" y="{middle:g}">{bar.length:.3g}</text>'
    yield f'<path class="axis" d="M{left} {TITLE - 6}V{height - FOOT - 6}"/>'
    yield "</svg>"


def _slug(title: str) -> str:
    return "-".join("".join(letter if letter.isalnum() else " " for letter in title.lower()).split()[:2])
