"""python -m bench [NAME …] [--rounds N] [--rows N] [--quick] [--output FOLDER]: measures, and prints what it found."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click

from bench import (
    alter,
    beside,
    far_away,
    first_mirror,
    fleet,
    idle,
    large,
    locked,
    month,
    page,
    record,
    restore,
    small_change,
    unchanged,
)
from bench.measure import Figure
from bench.place import Place, place
from bench.record import Record
from mirror.errors import SidemirrorError

MEASUREMENTS: dict[str, tuple[str, Callable[[Place, int, int], list[Figure]]]] = {
    "first_mirror": ("The first mirror", first_mirror.figures),
    "small_change": ("A small change", small_change.figures),
    "unchanged": ("Nothing changed", unchanged.figures),
    "beside": ("Beside a bot that writes", beside.figures),
    "far_away": ("A long way to the target", far_away.figures),
    "alter": ("ALTER TABLE", alter.figures),
    "idle": ("Nothing to do", idle.figures),
    "restore": ("Restore", restore.figures),
    "large": ("Ten times as much", large.figures),
    "locked": ("Outside of WAL mode", locked.figures),
    "fleet": ("Two hundred sources", fleet.figures),
    "page": ("The status page", page.figures),
    "month": ("A month at the target", month.figures),
}
ROWS = 1_250_000
QUICK_ROWS = 10_000


@click.command(help="Measures Sidemirror beside the other ways. NAMES: " + ", ".join(MEASUREMENTS) + "; default: all.")
@click.argument("names", nargs=-1, type=click.Choice(list(MEASUREMENTS)))
@click.option("--rounds", default=5, show_default=True, help="Alternating rounds; medians are shown.")
@click.option("--rows", default=ROWS, show_default=True, help="Rows in the bot's database.")
@click.option("--quick", is_flag=True, help="One round of little: to see that the benches work; no goal counts.")
@click.option("--output", type=click.Path(path_type=Path), help="Keep what was found in this folder, with pictures.")
def main(names: tuple[str, ...], rounds: int, rows: int, quick: bool, output: Path | None) -> None:
    if quick:
        rounds, rows = 1, QUICK_ROWS
    missed: list[str] = []
    for name in names or MEASUREMENTS:
        found = _measured(name, rounds, rows)
        click.echo("\n".join([f"{found.title}, load {found.load[0]:.1f} to {found.load[1]:.1f}", ""]))
        click.echo("\n".join([*record.table(found.figures), ""]))
        missed += [figure.what for figure in found.figures if figure.kept is False]
        if output:
            records = record.read(output) | {name: found}
            record.write(output, {one: records[one] for one in MEASUREMENTS if one in records})
    if missed and not quick:
        click.echo(f"{len(missed)} goals were missed: {'; '.join(missed)}", err=True)
    sys.exit(1 if missed and not quick else 0)


def _measured(name: str, rounds: int, rows: int) -> Record:
    title, measure = MEASUREMENTS[name]
    with place() as where:
        before = os.getloadavg()[0]
        figures = measure(where, rounds, rows)
    day, cores = f"{datetime.now(UTC):%Y-%m-%d}", os.cpu_count() or 0
    return Record(title, day, cores, rounds, (round(before, 1), round(os.getloadavg()[0], 1)), tuple(figures))


if __name__ == "__main__":
    try:
        main(prog_name="bench")
    except SidemirrorError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
