"""The start of a new server: with nothing in the volumes, what the target holds comes back before the bot starts."""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_delay, wait_exponential

from mirror import safe_files
from mirror.errors import NoBackup, RestoreError, RestorePartly, RunInProgress, SidemirrorError, TargetUnreachable
from mirror.restored import FOLDER
from mirror.settings import load
from mirror.target import connected, reading
from restore import missing, swap
from restore.config import AtStart, RestoreSettings, at_start
from restore.explain import explained
from restore.one_file import partly
from restore.place import SCRATCH_PREFIX, finish_interrupted, journal_of
from restore.progress import watch
from restore.replaced import prune
from restore.request import Request
from restore.run import Result, restore

START_WITHOUT = "To start the bot without: set RESTORE_PARTLY=start in .env, then ./sidemirror up"
START_WITH_NOTHING = "to start with nothing all the same, set RESTORE_ON_EMPTY=off in .env"

log = logging.getLogger(__name__)


def restore_if_empty(environ: Mapping[str, str]) -> Result | None:
    """Restores everything if both folders are empty; None when there was nothing to do.

    With data in either folder nothing is touched, and neither the target nor its settings are looked at; but a restore
    that was cut off while it swapped files is ended first, so that no bot starts on half of it. With a target that has
    nothing of this source the bot starts fresh. Raises TargetUnreachable, NotVerified and the rest of what `restore`
    raises: the bot must not start empty over a backup that could not be looked at.
    """
    here = at_start(environ)
    _end_what_was_cut_off(here)
    _sweep(here)
    with explained():
        found = next(_data(here), None)
    if found:
        _require_whole(here)
        log.info("There is data here (%s): nothing is restored", found)
        return None
    if not here.restore_on_empty:
        log.info("RESTORE_ON_EMPTY is off: nothing is restored, and the bot starts with nothing")
        return None
    log.info("There is nothing in %s and %s: asking the target", here.sqlite_dir, here.json_dir)
    try:
        result = _restore_all(environ)
    except SidemirrorError as error:
        raise type(error)(
            f"the bot has no data here, and what the target holds could not be brought back: {error.what}",
            f"{error.hint}. Then start again; or, {START_WITH_NOTHING}",
        ) from error
    if result is not None and result.left:
        log.info("%s", result.told)
        told = partly(result.plan, result.left)
        if here.restore_partly == "stop":
            raise RestorePartly(told.what, f"{told.hint}. {START_WITHOUT}")
        log.warning("%s\n  Try: %s", told.what, told.hint)
        return replace(result, left=())
    return result


def _require_whole(here: AtStart) -> None:
    """A start after one that could bring back a part only. Raises RestorePartly."""
    files = missing.still(here)
    if not files or here.restore_partly == "start":
        return
    names = ", ".join(path.name for path in files)
    raise RestorePartly(
        f"the data of the bot is back but for what could not be brought back: {names}",
        f"bring back an older state: ./sidemirror restore --list. {START_WITHOUT}",
    )


def _restore_all(environ: Mapping[str, str]) -> Result | None:
    settings = _settings(environ)
    waiting = Retrying(
        retry=retry_if_exception_type(TargetUnreachable),
        stop=stop_after_delay(settings.restore_patience.total_seconds()),
        wait=wait_exponential(multiplier=0.5, max=5),
        before_sleep=_tell,
        reraise=True,
    )
    try:
        result: Result = waiting(
            restore, settings, Request(at_start=True), lambda plan: log.info("%s", "\n".join(plan.lines())), watch()
        )
    except NoBackup:
        log.info("The target has no backup of %s: the bot starts fresh", settings.source_name)
        others = _other_sources(settings)
        if others:
            log.warning("It has backups of %s. If one of them is this bot: is SOURCE_NAME right?", ", ".join(others))
        return None
    return result


def _tell(attempt: RetryCallState) -> None:
    error = attempt.outcome.exception() if attempt.outcome else None
    log.info("%s; trying again", error.what if isinstance(error, SidemirrorError) else error)


def _settings(environ: Mapping[str, str]) -> RestoreSettings:
    """The settings, once the CA's file is there: a stand-in that starts just now publishes it. Raises ConfigError."""
    certificate = Path(environ.get("SUPABASE_DB_SSLROOTCERT") or "/")
    deadline = time.monotonic() + at_start(environ).restore_patience.total_seconds()
    while not certificate.exists() and time.monotonic() < deadline:
        time.sleep(0.2)
    return load(RestoreSettings, environ)


def _end_what_was_cut_off(here: AtStart) -> None:
    journal = journal_of(here)
    if os.path.lexists(journal):
        with explained(), swap.one_at_a_time(journal):
            finish_interrupted(here)


def _sweep(here: AtStart) -> None:
    """What earlier restores left: staged files and scratch of such as were killed, and what is kept aside for too long.

    The sidecar cannot: it may not write here. Another restore that is at work does it itself.
    """
    if not safe_files.is_folder(here.sqlite_dir / FOLDER):
        return
    with suppress(RunInProgress), explained(), swap.one_at_a_time(journal_of(here)):
        for folder in (here.sqlite_dir, here.json_dir):
            swap.clean_up(folder)
        for left in (here.sqlite_dir / FOLDER).glob(f"{SCRATCH_PREFIX}*"):
            shutil.rmtree(left, ignore_errors=True)
        gone = prune(here, here.keep_replaced, datetime.now(UTC))
        if gone:
            log.info("%d sets of replaced files were older than KEEP_REPLACED and are gone", gone)


def _data(here: AtStart) -> Iterator[Path]:
    """The bot's files that have something in them. Raises RestoreError for a folder that cannot be looked into."""

    def unreadable(error: OSError) -> None:
        raise RestoreError(
            f"cannot look into {error.filename}: {error.strerror}",
            "give it to the bot's user (BOT_UID and BOT_GID): nobody knows whether there is data in it",
        ) from error

    for root in (here.sqlite_dir, here.json_dir):
        for parent, folders, names in os.walk(root, onerror=unreadable):
            if Path(parent) == root:
                folders[:] = [name for name in folders if name not in (FOLDER, swap.REPLACED, "lost+found")]
            yield from (path for name in sorted(names) if _has_data(path := Path(parent, name)))


def _has_data(path: Path) -> bool:
    """Whether it is a file with something in it. A link is none, wherever it leads."""
    try:
        return safe_files.is_file(path) and path.lstat().st_size > 0
    except FileNotFoundError:
        return False


def _other_sources(settings: RestoreSettings) -> list[str]:
    with connected(settings) as connection, reading(connection) as cursor:
        cursor.execute("SELECT to_regclass('sidemirror.sources') IS NOT NULL")
        if cursor.fetchone() != (True,):
            return []
        cursor.execute("SELECT name FROM sidemirror.sources WHERE last_run > 0 AND name <> %s", (settings.source_name,))
        return sorted(str(name) for (name,) in cursor.fetchall())
