"""A restore taken back: what it put aside comes into place again, and what it brought is put aside."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from restore import owner, room, swap
from restore.config import RestoreSettings
from restore.explain import explained
from restore.live import refuse_if_live
from restore.place import finish_interrupted, journal_of, move, staging
from restore.replaced import chosen, new_name, stage
from restore.told import write_down


def undo(settings: RestoreSettings, which: str, confirm: Callable[[str, list[str]], None]) -> str:
    """Puts back a set (the newest, if `which` is empty); gives the name of the set that now keeps what was there.

    So it can be undone in turn. `confirm` gets the set's name and its files, and raises Cancelled to stop.
    Raises RunInProgress, SourceLive, NothingToUndo, RestoreError; then nothing in place was touched.
    """
    journal = journal_of(settings)
    with explained(), swap.one_at_a_time(journal):
        finish_interrupted(settings)
        found = chosen(settings, which)
        databases = [destination for _, destination in found.files if destination.is_relative_to(settings.sqlite_dir)]
        refuse_if_live(settings, databases)
        room.require(found.bytes_below(settings.sqlite_dir, settings.json_dir))
        confirm(found.name, [str(destination) for _, destination in found.files])
        name = new_name(settings, datetime.now(UTC))
        with staging(settings):
            staged = stage(found, settings)
            for copy, destination in staged:
                owner.give(copy, destination)
            refuse_if_live(settings, databases)
        swap.swap(tuple(move(settings, copy, destination, name) for copy, destination in staged), journal)
        files = ", ".join(destination.name for _, destination in found.files)
        write_down(
            settings, f"Undone: {files} put back as kept in {swap.REPLACED}/{found.name}", f"{swap.REPLACED}/{name}"
        )
        return name
