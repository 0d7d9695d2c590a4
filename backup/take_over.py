"""Taking a mirror over: this installation is the holder, and what the target has is what its next run goes on from."""

from __future__ import annotations

from uuid import uuid4

from psycopg2.extensions import connection as Connection

from backup.config import BackupSettings
from backup.own_runs import OwnRuns
from backup.state import installation, run_lock
from mirror import holder
from mirror.catalog import State
from mirror.catalog_install import install


def take_over(connection: Connection, settings: BackupSettings, state: State) -> None:
    """Also from another machine with this one's id: it does not know the token. Raises RunInProgress, StateError."""
    with run_lock(settings.state_dir):
        install(connection)
        runs, token = OwnRuns(settings.state_dir), uuid4()
        runs.begin(state.last_run, token)
        holder.take(connection, settings.source_name, installation(settings.state_dir), token)
        runs.end(state.last_run, token)
