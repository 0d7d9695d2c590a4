"""The repair: every mirror of the source put back to what was mirrored, in this process."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from uuid import uuid4

from backup import edits
from backup.apply import RunIdentity
from backup.config import BackupSettings
from backup.own_runs import OwnRuns, require_ours
from backup.shadows import Shadows
from backup.state import installation, run_lock
from mirror import catalog, holder
from mirror.catalog_install import install
from mirror.errors import NoBackup
from mirror.target import connected


def repair(settings: BackupSettings) -> dict[str, tuple[str, ...]]:
    """Gives what was put right, by file. Raises NoBackup, RunInProgress, StateError and every TargetError."""
    with run_lock(settings.state_dir), connected(settings) as connection:
        here = installation(settings.state_dir)
        state = catalog.read_state(connection, settings.source_name)
        if state is None:
            raise NoBackup(f"the target holds nothing of the source {settings.source_name}", "./sidemirror backup")
        runs = OwnRuns(settings.state_dir)
        holder.require(state, settings.source_name, here)
        require_ours(runs, state, settings.source_name, settings.notes_dir)
        install(connection)
        identity = RunIdentity(settings.source_name, here, uuid4(), "repair", datetime.now(UTC))
        runs.begin(state.last_run, identity.token)
        target = edits.Target(settings, connection, identity, state, Shadows(settings.state_dir))
        done = edits.repair(target)
        now = catalog.read_state(connection, settings.source_name) or state
        edits.remember(settings.state_dir, edits.check(replace(target, state=now)))
        return done
