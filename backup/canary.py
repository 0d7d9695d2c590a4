"""The canary: a write to the target although there is nothing to mirror, on the road that every run takes.

That the target answers does not say that it would take a run: Supabase makes a project read-only when it is too large.
"""

from __future__ import annotations

from psycopg2.extensions import connection as Connection

from backup.apply import RunIdentity, begin
from backup.script import Script
from mirror.catalog import State


def sing(connection: Connection, state: State, identity: RunIdentity) -> None:
    """Leaves a time in the target's catalog. Raises what a run would: TargetFull, TargetTaken, TargetMoved, ..."""
    with connection.cursor() as cursor:
        script = Script(cursor)
        begin(script, identity, state.last_run)
        script.add("UPDATE sidemirror.sources SET canary_at = now() WHERE id = {}", state.source_id)
        script.commit()
