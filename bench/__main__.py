"""python -m bench [NAME …] [--rounds N] [--rows N] [--quick] [--output FOLDER]: measures, and prints one table."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import beside, far_away, first_mirror, fleet, idle, large, page, picture, restore, small_change, unchanged
from bench.measure import Figure
from bench.place import place
from mirror.errors import SidemirrorError

MEASUREMENTS = {
    "first_mirror": first_mirror.figures,
    "small_change": small_change.figures,
    "unchanged": unchanged.figures,
    "beside": beside.figures,
    "far_away": far_away.figures,
    "idle": idle.figures,
    "restore": restore.figures,
    "large": large.figures,
    "fleet": fleet.figures,
    "page": page.figures,
}
ROWS = 1_250_000
QUICK_ROWS = 10_000


@click.command(help="Measures Sidemirror beside the other ways. NAMES: " + ", ".join(MEASUREMENTS) + "; default: all.")
@click.argument("names", nargs=-1, type=click.Choice(list(MEASUREMENTS)))
@click.option("--rounds", default=5, show_default=True, help="Alternating rounds; medians are shown.")
@click.option("--rows", default=ROWS, show_default=True, help="Rows in the bot's database.")
@click.option("--quick", is_flag=True, help="One round of little: to see that the benches work; no goal counts.")
@click.option("--output", type=click.Path(path_type=Path), help="Write figures.md and the pictures into this folder.")
def main(names: tuple[str, ...], rounds: int, rows: int, quick: bool, output: Path | None) -> None:
    if quick:
        rounds, rows = 1, QUICK_ROWS
    told = [
        f"Measured {datetime.now(UTC):%Y-%m-%d} on {os.cpu_count()} cores; {rounds} rounds, medians (from to).",
        "",
        *_row("what", "figure", "against", "goal"),
        *_row("---", "---", "---", "---"),
    ]
    click.echo("\n".join(told))
    figures: list[Figure] = []
    for name in names or MEASUREMENTS:
        with place() as where:
            load = os.getloadavg()[0]
            found = MEASUREMENTS[name](where, rounds, rows)
        lines = [line for figure in found for line in _lines(figure)]
        click.echo("\n".join(lines))
        click.echo(f"<!-- {name}: load {load:.1f} before, {os.getloadavg()[0]:.1f} after -->", err=True)
        figures += found
        told += lines
    if output:
        pictures = picture.draw(figures, output)
        told += ["", *(f"![{name}](images/{name})" for name in pictures)]
        (output / "figures.md").write_text("\n".join(told) + "\n", encoding="utf-8")
    missed = [figure.what for figure in figures if figure.kept is False]
    if missed and not quick:
        click.echo(f"{len(missed)} goals were missed: {'; '.join(missed)}", err=True)
    sys.exit(1 if missed and not quick else 0)


def _lines(figure: Figure) -> list[str]:
    kept = {True: f"{figure.floor}, reached", False: f"{figure.floor}, **missed**", None: ""}[figure.kept]
    return _row(figure.what, figure.value, figure.against, kept)


def _row(*cells: str) -> list[str]:
    return ["| " + " | ".join(cells) + " |"]


if __name__ == "__main__":
    try:
        main(prog_name="bench")
    except SidemirrorError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
