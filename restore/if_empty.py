"""The start of a new server: with nothing in the volumes, what the target holds comes back before the bot starts."""

from __future__ import annotations

import logging

from tenacity import Retrying, before_sleep_log, retry_if_exception_type, stop_after_delay, wait_exponential

from mirror.errors import NoBackup, TargetUnreachable
from mirror.restored import FOLDER
from restore.config import RestoreSettings
from restore.run import Request, Result, restore
from restore.swap import REPLACED

# The stand-in may be starting at the same time.
PATIENCE_SECONDS = 60

log = logging.getLogger(__name__)


def restore_if_empty(settings: RestoreSettings) -> Result | None:
    """Restores everything if both folders are empty; None when there was nothing to do.

    With data in either folder nothing is touched, and the target is not even asked. With a target that has nothing of this
    source the bot starts fresh. Raises TargetUnreachable, NotVerified and the rest of what `restore` raises: the bot must
    not start empty over a backup that could not be looked at.
    """
    if not settings.restore_on_empty:
        log.info("RESTORE_ON_EMPTY is off: nothing is restored at start")
        return None
    found = _first_file(settings)
    if found:
        log.info("There is data here (%s): nothing is restored", found)
        return None
    waiting = Retrying(
        retry=retry_if_exception_type(TargetUnreachable),
        stop=stop_after_delay(PATIENCE_SECONDS),
        wait=wait_exponential(multiplier=1, max=10),
        before_sleep=before_sleep_log(log, logging.INFO),
        reraise=True,
    )
    try:
        result: Result = waiting(restore, settings, Request(), lambda plan: log.info("%s", "\n".join(plan.lines())))
    except NoBackup:
        log.info("The target has no backup of %s: the bot starts fresh", settings.source_name)
        return None
    return result


def _first_file(settings: RestoreSettings) -> str | None:
    """A file of the bot's, if there is any."""
    for folder in (settings.sqlite_dir, settings.json_dir):
        for path in sorted(folder.rglob("*")):
            if path.is_file() and path.relative_to(folder).parts[0] not in (FOLDER, REPLACED):
                return str(path)
    return None
