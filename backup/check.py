"""What a first start needs, looked at one by one: settings, folders, connection, TLS, rights, exposure, space, holder."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from psycopg2.extensions import connection as Connection

from backup import source
from backup.config import BackupSettings
from backup.outcome import SIZE_WARNING_SHARE
from backup.own_runs import OwnRuns, require_ours
from backup.state import installation
from mirror import holder
from mirror.catalog import read_state
from mirror.errors import SidemirrorError, SourceError, StateError, TargetError, TargetExposed, TargetRefused
from mirror.settings import is_this_machine
from mirror.target import connected, translated

OLDEST_POSTGRES = 150000


@dataclass(frozen=True)
class Note:
    """What works, and is better changed: never a reason not to run."""

    told: str
    hint: str


@dataclass(frozen=True)
class Finding:
    """One line of the check. `error` is None where nothing is wrong; `hint` stands with what is better changed."""

    subject: str
    told: str
    error: SidemirrorError | None = None
    hint: str = ""

    @property
    def line(self) -> str:
        if self.error is not None:
            return f"WRONG {self.subject}: {self.error}"
        if self.hint:
            return f"NOTE  {self.subject}: {self.told}\n  Try: {self.hint}"
        return f"ok    {self.subject}: {self.told}"


def found(subject: str, look: Callable[[], str | Note]) -> Finding:
    """What the look came to."""
    try:
        told = look()
    except SidemirrorError as error:
        return Finding(subject, "", error)
    return Finding(subject, told) if isinstance(told, str) else Finding(subject, told.told, hint=told.hint)


def check(settings: BackupSettings) -> Iterator[Finding]:
    """The findings in order; what depends on a connection is left out when there is none."""
    yield found("source", lambda: _source(settings))
    yield found("state folder", lambda: _state_folder(settings))
    try:
        with connected(settings) as connection:
            for subject, look in _WITH_A_CONNECTION.items():
                yield found(subject, partial(look, connection, settings))
    except TargetError as error:
        yield Finding("connection", "", error)


def _source(settings: BackupSettings) -> str:
    files = source.find(settings)
    if not files.databases and not files.documents:
        raise SourceError(
            f"there is no database in {settings.sqlite_dir} and no document in {settings.json_dir}",
            "start the bot, and let it write into these folders",
        )
    return f"{len(files.databases)} databases, {len(files.documents)} documents"


def _state_folder(settings: BackupSettings) -> str:
    installation(settings.state_dir)
    try:
        with tempfile.TemporaryFile(dir=settings.state_dir):
            free = shutil.disk_usage(settings.state_dir).free
    except OSError as error:
        raise StateError(
            f"{settings.state_dir} cannot be written to: {error.strerror}", "give it to the sidecar's user"
        ) from error
    return f"{settings.state_dir}, {free / 1e9:.1f} GB free"


def _connection(connection: Connection, settings: BackupSettings) -> str | Note:
    encrypted, mode = connection.info.ssl_in_use, settings.supabase_db_sslmode
    tls = f"{connection.info.ssl_attribute('protocol')}, {mode}" if encrypted else "no TLS, not encrypted"
    version = connection.info.server_version // 10000
    told = f"{settings.supabase_db_host}:{settings.supabase_db_port}, Postgres {version}, {tls}"
    if not encrypted and not is_this_machine(settings.supabase_db_host):
        return Note(told, "what is sent can be read on the way: set SUPABASE_DB_SSLMODE=verify-full")
    if encrypted and not mode.startswith("verify"):
        return Note(
            f"{told}: nobody checks whose certificate it is",
            "set SUPABASE_DB_SSLMODE=verify-full; the CA (Settings, Database, SSL configuration) is to be "
            "volumes/ca/supabase.crt",
        )
    return told


def _rights(connection: Connection, settings: BackupSettings) -> str:
    version = connection.info.server_version
    if version < OLDEST_POSTGRES:
        raise TargetRefused(f"the target is Postgres {version // 10000}", "Postgres 15 or newer is needed")
    encoding, create = _ask(
        connection,
        settings,
        "SELECT current_setting('server_encoding'), has_database_privilege(current_database(), 'CREATE')",
    )
    if encoding != "UTF8":
        raise TargetRefused(f"the target's encoding is {encoding}", "use a database with the encoding UTF8")
    if not create:
        raise TargetRefused(
            f"{settings.supabase_db_user} may not make schemas in {settings.supabase_db_name}",
            "connect as postgres (Supabase: postgres.<project ref>)",
        )
    return f"{settings.supabase_db_user} may make schemas"


def _exposure(connection: Connection, settings: BackupSettings) -> str:
    if _ask(connection, settings, "SELECT to_regproc('sidemirror.exposed') IS NULL") == (True,):
        return "nothing is mirrored yet"
    count, role, name = _ask(
        connection, settings, "SELECT count(*), min(role_name), min(object_name) FROM sidemirror.exposed()"
    )
    if count:
        schema = re.sub(r'^("(?:[^"]|"")+"|[^.]+).*', r"\1", str(name))
        raise TargetExposed(
            f"the role {role} can reach {name} ({count} in all), so the Data API could publish it",
            f"in Supabase's SQL Editor: REVOKE ALL ON SCHEMA {schema} FROM PUBLIC, {role}; "
            f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM PUBLIC, {role};",
        )
    return "no role of the Data API can reach the mirror"


def _space(connection: Connection, settings: BackupSettings) -> str | Note:
    [size] = _ask(connection, settings, "SELECT pg_database_size(current_database())")
    limit = settings.target_size_limit
    told = f"{int(str(size)) / 1e6:.1f} MB of {limit / 1e6:.0f} MB (TARGET_SIZE_LIMIT)"
    if int(str(size)) > limit:
        raise TargetRefused(f"the target is over its limit: {told}", "shorten RETENTION, or raise TARGET_SIZE_LIMIT")
    if int(str(size)) > SIZE_WARNING_SHARE * limit:
        return Note(
            f"{told}, {100 * int(str(size)) // limit} %",
            "at the limit Supabase turns the database read-only: shorten RETENTION, delete what you do not need, or take a "
            "larger plan and raise TARGET_SIZE_LIMIT",
        )
    return told


def _holder(connection: Connection, settings: BackupSettings) -> str:
    with translated(settings):
        state = read_state(connection, settings.source_name)
    holder.require(state, settings.source_name, installation(settings.state_dir))
    require_ours(OwnRuns(settings.state_dir), state, settings.source_name, settings.notes_dir)
    return "this installation" if state and state.holder else "nobody yet"


_WITH_A_CONNECTION: dict[str, Callable[[Connection, BackupSettings], str | Note]] = {
    "connection": _connection,
    "rights": _rights,
    "exposure": _exposure,
    "space": _space,
    "holder": _holder,
}


def _ask(connection: Connection, settings: BackupSettings, query: str) -> tuple[object, ...]:
    with translated(settings), connection.cursor() as cursor:
        cursor.execute(query)
        [row] = cursor.fetchall()
    return tuple(row)
