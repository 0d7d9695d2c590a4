"""The restore job's command: python -m restore [--yes] [--run N] [--into FOLDER] [--list]."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import click

from mirror import settings
from mirror.errors import Cancelled, SidemirrorError
from mirror.settings import Settings
from restore.listing import restore_points
from restore.plan import Plan
from restore.run import Result, restore, restore_into

log = logging.getLogger(__name__)


@click.command(help="Brings the bot's databases and documents back from the target.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--run", "run", type=click.IntRange(min=1), help="The restore point to go back to; default: the last.")
@click.option(
    "--into", type=click.Path(path_type=Path), help="Write into this folder instead, and change nothing else."
)
@click.option("--list", "list_only", is_flag=True, help="Show the restore points and stop.")
def main(yes: bool, run: int | None, into: Path | None, list_only: bool) -> None:
    config = settings.load(Settings)
    logging.basicConfig(level="INFO", format="%(asctime)s %(levelname)-7s %(message)s", stream=sys.stdout)
    if list_only:
        click.echo("\n".join(restore_points(config)))
        return

    def confirm(plan: Plan) -> None:
        click.echo(f"Restore point {plan.run} of {config.source_name}, from {config.supabase_db_host}:")
        click.echo("\n".join(plan.lines()))
        if yes:
            return
        if not sys.stdin.isatty():
            raise Cancelled("nobody is there to ask", "add --yes if that is what you want")
        if not click.confirm("Restore this?"):
            raise Cancelled("nothing was changed", "")

    tell(restore_into(config, run, into, confirm) if into else restore(config, run, confirm), into)


def tell(result: Result, into: Path | None) -> None:
    """The last lines: what was restored, how it was verified, how long it took, where the old files are."""
    rows = sum(step.rows for step in result.plan.databases)
    log.info(
        "Restored run %d: %d databases with %d rows, %d documents; integrity checked, content equal to the target; %.1f s",
        result.plan.run,
        len(result.plan.databases),
        rows,
        len(result.plan.documents),
        result.seconds,
    )
    if into:
        log.info("The files are in %s", into)
    if result.replaced:
        log.info("What was there before is kept in %s, below each folder", result.replaced)


if __name__ == "__main__":
    try:
        main(prog_name="restore")
    except SidemirrorError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
