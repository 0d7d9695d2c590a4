"""The sidecar's commands: python -m backup once | schedule | status | check | health | accept | take-over."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click

from backup import log, outcome
from backup.config import BackupSettings
from backup.run import run
from mirror import settings
from mirror.errors import SidemirrorError


@click.group(help="Mirrors SQLite and JSON files into Postgres, exactly.")
def main() -> None:
    pass


@main.command(help="One run now. Ends with 0 only if everything was mirrored.")
@click.option("--full", is_flag=True, help="Look at every database, written to or not, and check all of it.")
def once(full: bool) -> None:
    config = settings.load(BackupSettings)
    log.set_up(config.log_level, config.state_dir)
    before = outcome.read(config.state_dir)
    try:
        report = run(config, "full" if full else "run")
    except SidemirrorError as error:
        outcome.write(config.state_dir, outcome.failed(before, error, datetime.now(UTC), stopped=False))
        raise
    outcome.write(config.state_dir, outcome.succeeded(before, report))
    outcome.tell(report)
    if report.refusals:
        sys.exit(report.refusals[0].error.exit_code)


if __name__ == "__main__":
    try:
        main(prog_name="backup")
    except SidemirrorError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
