"""A restore taken back: what it put aside comes into place again, and what it brought is put aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from restore import swap
from restore.config import RestoreSettings
from restore.explain import explained
from restore.live import refuse_if_live
from restore.place import finish_interrupted, journal_of, move, staging
from restore.replaced import new_name, newest, stage


def undo(settings: RestoreSettings, confirm: Callable[[list[str]], None]) -> str:
    """Puts back what the last restore (or undo) replaced; gives the name of the set that now keeps what was there.

    So it can be undone in turn. `confirm` gets the files and raises Cancelled to stop. Raises RunInProgress, SourceLive,
    NoBackup (nothing was replaced), RestoreError; then nothing in place was touched.
    """
    journal = journal_of(settings)
    with explained(), swap.one_at_a_time(journal):
        finish_interrupted(settings)
        found = newest(settings)
        databases = [destination for _, destination in found.files if destination.is_relative_to(settings.sqlite_dir)]
        refuse_if_live(settings, databases)
        confirm([str(destination) for _, destination in found.files])
        name = new_name(settings, datetime.now(UTC))
        with staging(settings):
            staged = stage(found, settings)
            refuse_if_live(settings, databases)
        swap.swap(tuple(move(settings, copy, destination, name) for copy, destination in staged), journal)
        return name
