"""The sidecar's commands: python -m backup once | schedule | status | check | drill | repair | accept | …"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from uuid import UUID

import click
from rich.console import Console
from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from backup import aside, events, gone, log, outcome, source, turns
from backup import reader as analysts
from backup.alert import trial_message
from backup.check import Finding
from backup.check import check as check_all
from backup.config import BackupSettings
from backup.doctor import doctor, redacted
from backup.drilling import drill_and_remember, failure
from backup.heartbeat import Heartbeat
from backup.remember import remember
from backup.repair import repair as repair_mirror
from backup.run import Report, run
from backup.scheduler import HEARTBEAT_SECONDS, Scheduler
from backup.send import send
from backup.state import write_atomically
from backup.status import status as find_status
from backup.status_view import show
from backup.take_over import take_over as take_it
from backup.watch import Watch
from mirror import settings
from mirror.catalog import read_state
from mirror.errors import ConfigError, GuardHeld, RunInProgress, SidemirrorError, SourceError
from mirror.log_line import of_run
from mirror.target import connected


@click.group(help="Mirrors SQLite and JSON files into Postgres, exactly.")
def main() -> None:
    pass


@main.command(help="One run now. Ends with 0 only if everything was mirrored.")
@click.option("--full", is_flag=True, help="Look at every database, written to or not, and check all of it.")
@click.option("--wait", default=60, show_default=True, help="Seconds to wait for a run that is in progress.")
def once(full: bool, wait: int) -> None:
    config = settings.load(BackupSettings)
    log.set_up(config.log_level, config.log_format, config.state_dir)
    _run_and_tell(config, "full" if full else "run", wait)


@main.command(help="Runs at start, every BACKUP_EVERY, and until SIGTERM: the sidecar's main program.")
def schedule() -> None:
    scheduler = Scheduler(lambda: settings.load(BackupSettings))
    log.set_up(scheduler.settings.log_level, scheduler.settings.log_format, scheduler.settings.state_dir)
    scheduler.serve()


@main.command(help="Tells people what goes wrong, until SIGTERM: the sidecar's second program.")
def watch() -> None:
    watching = Watch(lambda: settings.load(BackupSettings))
    log.set_up(watching.settings.log_level, watching.settings.log_format, None)
    watching.serve()


@main.command("alert-test", help="Sends a test to every address of ALERT_URLS and DISCORD_WEBHOOK_URL.")
def alert_test() -> None:
    config = settings.load(BackupSettings)
    if not config.alert_addresses:
        raise ConfigError(
            "there is nobody to send to: neither ALERT_URLS nor DISCORD_WEBHOOK_URL is set", "set one in .env"
        )
    message = trial_message(config.source_name, datetime.now(UTC))
    results = [(address, send(address, message)) for address in config.alert_addresses]
    for address, reason in results:
        click.echo(f"{'WRONG' if reason else 'ok   '} {address.name}: {reason or 'sent'}")
    sys.exit(1 if any(reason for _, reason in results) else 0)


@main.command(help="Am I safe? Ends with 0 if so, 1 if not.")
@click.option("--json", "as_json", is_flag=True, help="The same for programs.")
def status(as_json: bool) -> None:
    found = find_status(settings.load(BackupSettings))
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=1))
    else:
        show(found, Console(highlight=False, soft_wrap=True))
    sys.exit(0 if found.safe else 1)


@main.command(help="Looks at everything that a run needs. Ends with 0 if nothing is wrong.")
def check() -> None:
    wrong = []
    for finding in check_all(settings.load(BackupSettings)):
        click.echo(finding.line)
        wrong += [finding.error] if finding.error else []
    # A bot that has not written yet is the least of what can be wrong.
    wrong.sort(key=lambda error: isinstance(error, SourceError))
    sys.exit(wrong[0].exit_code if wrong else 0)


@main.command("doctor", help="Everything that a supporter would ask for, to paste: no secret is in it.")
def doctor_command() -> None:
    code = 0
    try:
        config = settings.load(BackupSettings)
    except ConfigError as error:
        click.echo(Finding("settings", "", error).line)
        sys.exit(error.exit_code)
    for finding in doctor(config):
        click.echo(redacted(finding.line, config))
        code = code or (finding.error.exit_code if finding.error else 0)
    sys.exit(code)


@main.command(help="Lets through what the shrink guard holds, and runs.")
@click.argument("files", nargs=-1)
@click.option("--always", is_flag=True, help="Of the files that are named: never ask again when one of them is gone.")
def accept(files: tuple[str, ...], always: bool) -> None:
    config = settings.load(BackupSettings)
    log.set_up(config.log_level, config.log_format, config.state_dir)
    held = [t for t in outcome.read(config.state_dir).troubles if t.kind == GuardHeld.__name__]
    chosen = [trouble for trouble in held if not files or trouble.subject in files]
    if always:
        _let_go_always(config, files, {trouble.subject for trouble in held})
    if not chosen and not always:
        click.echo("Nothing is held." if not held else f"Held is: {', '.join(t.subject for t in held)}")
        sys.exit(2 if files else 0)
    for trouble in chosen:
        click.echo(f"Accepted: {trouble.what}")
    if chosen:
        write_atomically(config.state_dir / "accepted.json", json.dumps({"files": [t.subject for t in chosen]}))
    accepted = (events.happened("Accepted", trouble.subject, trouble.what) for trouble in chosen)
    events.append(config.state_dir, *accepted)
    _run_and_tell(config, "run", 60)


def _let_go_always(config: BackupSettings, files: tuple[str, ...], held: set[str]) -> None:
    here = source.find(config)
    there = {*here.databases, *here.documents, *held}
    if not files or (unknown := [file for file in files if file not in there]):
        what = f"there is no {unknown[0]}" if files else "--always is for files that are named"
        raise ConfigError(what, f"./sidemirror accept --always NAME; there are {', '.join(sorted(there)) or 'none'}")
    gone.let_go_always(config.state_dir, frozenset(files))
    for file in files:
        what = f"from now on {file} leaves the mirror whenever it is gone, without a question"
        click.echo(f"Accepted: {what}")
        events.append(config.state_dir, events.happened("Accepted", file, what))


@main.command(
    help="Restores everything from the target into scratch and compares. Ends with 0 only if it is what was mirrored."
)
@click.option("--wait", default=60, show_default=True, help="Seconds to wait for a run that is in progress.")
def drill(wait: int) -> None:
    config = settings.load(BackupSettings)
    log.set_up(config.log_level, config.log_format, config.state_dir)
    done = _waiting(wait)(drill_and_remember, config)
    if not done.ok:
        raise failure(done)


@main.command(help="Puts back what somebody else changed in the mirror, keeps what was found, runs, and makes a drill.")
@click.option("--wait", default=60, show_default=True, help="Seconds to wait for a run that is in progress.")
def repair(wait: int) -> None:
    config = settings.load(BackupSettings)
    log.set_up(config.log_level, config.log_format, config.state_dir)
    done = _waiting(wait)(repair_mirror, config)
    for file, found in done.items():
        what = f"{file}: {'; '.join(found)}"
        click.echo(f"Put right: {what}")
        events.append(config.state_dir, events.happened("Repaired", file, what))
    if not done:
        click.echo("Nothing is to be repaired: the mirror is what was mirrored.")
    _run_and_tell(config, "full", wait)
    result = _waiting(wait)(drill_and_remember, config)
    if not result.ok:
        raise failure(result)


@main.command("take-over", help="Makes this installation the one that writes the source's mirror.")
@click.option("--yes", is_flag=True, help="Do not ask.")
def take_over(yes: bool) -> None:
    config = settings.load(BackupSettings)
    with connected(config) as connection:
        state = read_state(connection, config.source_name)
        if state is None:
            click.echo(
                f"The target knows no source {config.source_name}: the first run makes this installation the holder."
            )
            return
        click.echo(
            f"{config.source_name} is at run {state.last_run} and is written by {state.holder or 'nobody'}"
            + (f" on {state.holder_host}, since {state.held_since}." if state.holder else ".")
        )
        if not yes:
            click.confirm(
                "Take it over? That installation is refused from then on, and the next run here makes the mirror equal to "
                "the files here; older restore points keep what goes.",
                abort=True,
            )
        _waiting(60)(take_it, connection, config, state)
    what = f"this installation writes the mirror of {config.source_name} from now on"
    events.append(config.state_dir, events.happened("TakenOver", config.source_name, what))
    click.echo("This installation is the holder now; the next run goes on from what the target has.")


@main.command(
    help="Lets the role for analysts read the mirror, or no longer; without an argument: says whether it may."
)
@click.argument("state", type=click.Choice(["on", "off"]), required=False)
def reader(state: str | None) -> None:
    config = settings.load(BackupSettings)
    with connected(config) as connection:
        if state is not None:
            analysts.turn(connection, state == "on")
        on = analysts.is_on(connection)
    click.echo(
        analysts.NEXT
        if on
        else f'The role "{analysts.ROLE}" can read nothing. To open the mirror: ./sidemirror reader on'
    )


@main.command(help="At which file the last run was ended, if it was: for the script, which sees that it was killed.")
def ended() -> None:
    config = settings.load(BackupSettings)
    turn = turns.read(config.state_dir)
    found = [turn.file] if turn is not None and not turn.lives else [*aside.counted(config.state_dir)]
    click.echo(found[0] if found else "")


def _waiting(seconds: int) -> Retrying:
    """For a run that is in progress."""
    return Retrying(
        retry=retry_if_exception_type(RunInProgress),
        stop=stop_after_delay(seconds),
        wait=wait_fixed(0.5),
        reraise=True,
    )


def _run_and_tell(config: BackupSettings, kind: str, wait: int) -> None:
    with of_run() as token:
        _run_with_id(config, kind, wait, token)


def _run_with_id(config: BackupSettings, kind: str, wait: int, token: UUID) -> None:
    before = outcome.read(config.state_dir)
    heartbeat = Heartbeat(config.heartbeat_url.get_secret_value)
    heartbeat.began()
    try:
        report: Report = _waiting(wait)(run, config, kind, token)
    except RunInProgress:
        raise
    except SidemirrorError as error:
        remember(config.state_dir, before, outcome.failed(before, error, datetime.now(UTC), stopped=before.stopped))
        heartbeat.ended(equal=False)
        raise
    else:
        remember(config.state_dir, before, outcome.succeeded(before, report))
        outcome.tell(report, config.target_size_limit)
        heartbeat.ended(equal=not report.refusals)
    finally:
        heartbeat.close(HEARTBEAT_SECONDS)
    if report.refusals:
        sys.exit(report.refusals[0].error.exit_code)


if __name__ == "__main__":
    try:
        main(prog_name="backup")
    except SidemirrorError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
