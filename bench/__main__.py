"""python -m bench [NAME …] [--rounds N] [--rows N] [--output FILE]: measures, and prints one table."""

from __future__ import annotations

import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import first_mirror, restore, small_change, unchanged
from bench.measure import Figure
from bench.place import place
from mirror.errors import SidemirrorError

MEASUREMENTS = {
    "first_mirror": first_mirror.figures,
    "small_change": small_change.figures,
    "unchanged": unchanged.figures,
    "restore": restore.figures,
}
ROWS = 1_250_000


@click.command(help="Measures Sidemirror beside the other ways. NAMES: " + ", ".join(MEASUREMENTS) + "; default: all.")
@click.argument("names", nargs=-1, type=click.Choice(list(MEASUREMENTS)))
@click.option("--rounds", default=5, show_default=True, help="Alternating rounds; medians are shown.")
@click.option("--rows", default=ROWS, show_default=True, help="Rows in the bot's database.")
@click.option("--output", type=click.Path(path_type=Path), help="Write the table into this file as well, as Markdown.")
def main(names: tuple[str, ...], rounds: int, rows: int, output: Path | None) -> None:
    heading = f"Measured {datetime.now(UTC):%Y-%m-%d}, {os.cpu_count()} cores, {rounds} rounds, medians (from to)."
    lines = [heading, "", *_row("what", "figure", "against", "limit"), *_row("---", "---", "---", "---")]
    click.echo("\n".join(lines))
    missed = 0
    for name in names or MEASUREMENTS:
        with place() as where:
            load = os.getloadavg()[0]
            figures = MEASUREMENTS[name](where, rounds, rows)
        told = [line for figure in figures for line in _lines(figure)]
        click.echo("\n".join(told))
        click.echo(f"<!-- {name}: load {load:.1f} before, {os.getloadavg()[0]:.1f} after -->", err=True)
        lines += told
        missed += sum(figure.kept is False for figure in figures)
    if output:
        output.write_text("\n".join(lines) + "\n", encoding="utf-8")
    if missed:
        click.echo(f"{missed} limits were not kept", err=True)
    sys.exit(1 if missed else 0)


def _lines(figure: Figure) -> list[str]:
    kept = {True: f"{figure.floor}, kept", False: f"{figure.floor}, MISSED", None: ""}[figure.kept]
    return _row(figure.what, figure.value, figure.against, kept)


def _row(*cells: str) -> list[str]:
    return ["| " + " | ".join(cells) + " |"]


if __name__ == "__main__":
    try:
        main(prog_name="bench")
    except SidemirrorError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
