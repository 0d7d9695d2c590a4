"""The restore job's command: python -m restore [--yes] [--run N | --at TIME] [--only NAME] [--into FOLDER] …"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import datetime
from pathlib import Path

import click

from mirror import settings
from mirror.errors import Cancelled, ConfigError, SidemirrorError
from mirror.log_line import formatter
from restore import swap
from restore.config import RestoreSettings
from restore.dry_run import DryRun, dry_run
from restore.if_empty import restore_if_empty
from restore.listing import as_lines, restore_points
from restore.one_file import partly
from restore.plan import Plan
from restore.progress import watch
from restore.replaced import as_lines as set_lines
from restore.replaced import replaced_sets
from restore.replaced import to_json as set_to_json
from restore.request import Request
from restore.run import Result, restore, restore_into
from restore.show_dry_run import as_lines as as_text
from restore.show_dry_run import to_json
from restore.to_sql import Dumped, to_sql
from restore.undo import undo as put_back
from restore.when import parse_time, show_time

log = logging.getLogger(__name__)

EXIT_CODES = """\b
Exit codes:
  0   done; with --if-empty also: nothing to do
  2   a variable or an option is wrong
  4   the target cannot be reached: trying again helps
  5   the target refuses (password, rights, TLS)
  7   this installation has no id yet
  8   another restore is in progress
  9   it cannot be done as asked: no room, read-only, not the bot's user
  10  refused: the bot runs
  11  there is no such backup
  12  not verified: nothing was replaced
  13  cancelled, or nobody was there to ask
  15  nothing to undo
  16  somebody else changed the mirror or its catalog
  18  done in part: the files that are named could not be brought back
"""


@click.command(help="Brings the bot's databases and documents back from the target.", epilog=EXIT_CODES)
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--run", "run", type=click.IntRange(min=1), help="The restore point to go back to; default: the last.")
@click.option("--at", help="The last restore point at or before a time: '2026-11-21 18:00', 2h, 'yesterday 18:00'.")
@click.option(
    "--only", multiple=True, metavar="NAME", help="Only this database, document or database.table; can be given again."
)
@click.option("--allow-violations", is_flag=True, help="Of single tables: rows may refer to rows that are not there.")
@click.option("--source", metavar="NAME", help="Another source's data than SOURCE_NAME's, on purpose.")
@click.option("--as", "into_source", metavar="NAME", help="With --source and --yes: this source's name, to be sure.")
@click.option(
    "--into", type=click.Path(path_type=Path), help="Write into this folder instead, and change nothing else."
)
@click.option(
    "--to-sql",
    "sql_file",
    type=click.Path(path_type=Path),
    help="Write databases as SQL to a file, and change nothing.",
)
@click.option("--dry-run", "dry", is_flag=True, help="Show what would change, table by table, and change nothing.")
@click.option("--examples", type=click.IntRange(min=0), default=0, help="With --dry-run: so many rows of each kind.")
@click.option("--list", "list_only", is_flag=True, help="Show the restore points and stop.")
@click.option("--json", "as_json", is_flag=True, help="With --list, --dry-run and --replaced: for programs.")
@click.option("--replaced", "list_replaced", is_flag=True, help="Show what restores have put aside, and stop.")
@click.option(
    "--undo",
    is_flag=False,
    flag_value="",
    metavar="[SET]",
    help="Put back what a restore replaced; by default the last.",
)
@click.option("--if-empty", is_flag=True, help="Restore only if there is no data here; what the stack does at start.")
def main(
    yes: bool,
    run: int | None,
    at: str | None,
    only: tuple[str, ...],
    allow_violations: bool,
    source: str | None,
    into_source: str | None,
    into: Path | None,
    sql_file: Path | None,
    dry: bool,
    examples: int,
    list_only: bool,
    as_json: bool,
    list_replaced: bool,
    undo: str | None,
    if_empty: bool,
) -> None:
    lines = logging.StreamHandler(sys.stdout)
    lines.setFormatter(formatter(os.environ.get("LOG_FORMAT", "").lower()))
    logging.basicConfig(level="INFO", handlers=[lines])
    if if_empty:
        result = restore_if_empty(os.environ)
        if result:
            tell(result, None)
        return
    config = settings.load(RestoreSettings)
    if run is not None and at is not None:
        raise ConfigError("both --run and --at are given", "give one of them")
    ways = [name for name, given in (("--dry-run", dry), ("--into", into), ("--to-sql", sql_file)) if given]
    if len(ways) > 1:
        raise ConfigError(f"both {' and '.join(ways)} are given", "give one of them: none changes anything in place")

    if source == config.source_name:
        raise ConfigError(f"--source {source} is this source itself (SOURCE_NAME)", "leave --source out")
    if into_source is not None and (source is None or into_source != config.source_name):
        raise ConfigError(
            f"--as {into_source} is not what would be replaced",
            f"--as belongs to --source and names this source: --source NAME --as {config.source_name}",
        )

    def confirm(plan: Plan) -> None:
        made = f" (made {show_time(plan.at)})" if plan.at else ""
        click.echo(f"Restore point {plan.run} of {plan.source}{made}, from {config.supabase_db_host}:")
        click.echo("\n".join(plan.lines()))
        if source and not into:
            confirm_source(source)
        elif not into:  # that is beside everything, and over nothing
            ask("Restore this?")

    def confirm_source(other: str) -> None:
        own = config.source_name
        click.echo(
            f"This is the data of {other}, and it comes into the folders of {own}. What {own} has there now is kept aside, "
            f"its other files stay, and with the next backup its mirror becomes equal to them. The mirror of {other} "
            "and the installation that writes it are not touched."
        )
        if into_source == own and yes:
            return
        if yes or not sys.stdin.isatty():
            raise Cancelled(
                f"the data of {other} would replace that of {own}", f"if that is meant, add --yes --as {own}"
            )
        if click.prompt(f"To replace the data of {own} by that of {other}, type {own}", default="") != own:
            raise Cancelled("nothing was changed", "")

    def confirm_undo(name: str, files: list[str]) -> None:
        click.echo(f"Puts back what is kept in {swap.REPLACED}/{name}:\n" + "\n".join(f"  {file}" for file in files))
        ask("Put them back?")

    def ask(question: str) -> None:
        if yes:
            return
        if not sys.stdin.isatty():
            raise Cancelled("nobody is there to ask", "add --yes if that is what you want")
        if not click.confirm(question):
            raise Cancelled("nothing was changed", "")

    if list_only:
        points = restore_points(config, source or config.source_name)
        click.echo(
            json.dumps([point.to_json() for point in points], indent=1) if as_json else "\n".join(as_lines(points))
        )
    elif list_replaced:
        sets = replaced_sets(config)
        told = [set_to_json(one, config.keep_replaced) for one in sets]
        click.echo(json.dumps(told, indent=1) if as_json else "\n".join(set_lines(sets, config.keep_replaced)))
    elif undo is not None:
        kept = put_back(config, undo, confirm_undo)
        log.info("Undone. What was there before is kept in %s/%s, below each folder", swap.REPLACED, kept)
    else:
        now = datetime.now().astimezone()
        asked = parse_time(at, now) if at else None
        if asked and not as_json:
            click.echo(f"The last restore point at or before {show_time(asked.at)}:")
            if asked.remark:
                click.echo(f"({asked.remark})")
        request = Request(run, asked.at if asked else None, only, allow_violations, source)
        if dry:
            show_dry_run(dry_run(config, request, examples), as_json)
            return
        if sql_file:
            tell_sql(to_sql(config, request, sql_file))
            return
        tell(
            restore_into(config, request, into, confirm, watch())
            if into
            else restore(config, request, confirm, watch()),
            into,
        )


def show_dry_run(found: DryRun, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(to_json(found), ensure_ascii=False, indent=1))
        return
    made = f" (made {show_time(found.at)})" if found.at else ""
    click.echo(f"Restore point {found.run} of {found.source}{made}, beside what is there:")
    click.echo("\n".join(as_text(found)))


def tell_sql(dumped: Dumped) -> None:
    for file, step in dumped.files:
        log.info(
            "%s of restore point %d is in %s: %d rows; read back, its content is equal to the target",
            step.database.file, dumped.plan.run, file, step.rows,
        )  # fmt: skip
    if dumped.plan.documents:
        names = ", ".join(step.document.file for step in dumped.plan.documents)
        log.info("Documents are not SQL: %s; --into FOLDER writes them", names)


def tell(result: Result, into: Path | None) -> None:
    """The last lines: what was restored, how it was verified, how long it took, how to undo it."""
    log.info("%s", result.told)
    if into:
        log.info("The files are in %s", into)
    if result.replaced:
        undo = f"./sidemirror restore --undo {result.replaced.rpartition('/')[2]}"
        log.info("What was there before is kept in %s, below each folder; to go back: %s", result.replaced, undo)
    if result.left:
        raise partly(result.plan, result.left)


if __name__ == "__main__":
    try:
        main(prog_name="restore")
    except SidemirrorError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
