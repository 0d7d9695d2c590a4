"""What a first start needs, looked at one by one: settings, folders, connection, TLS, rights, exposure, space, holder."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from psycopg2.extensions import connection as Connection

from backup import source
from backup.config import BackupSettings
from backup.state import installation
from mirror import holder
from mirror.catalog import read_state
from mirror.errors import SidemirrorError, SourceError, StateError, TargetError, TargetExposed, TargetRefused
from mirror.target import connected, translated

OLDEST_POSTGRES = 150000


@dataclass(frozen=True)
class Finding:
    """One line of the check. `error` is None where all is well."""

    subject: str
    told: str
    error: SidemirrorError | None = None

    @property
    def line(self) -> str:
        return f"ok    {self.subject}: {self.told}" if self.error is None else f"WRONG {self.subject}: {self.error}"


def check(settings: BackupSettings) -> Iterator[Finding]:
    """The findings in order; what depends on a connection is left out when there is none."""
    yield _finding("source", lambda: _source(settings))
    yield _finding("state folder", lambda: _state_folder(settings))
    try:
        with connected(settings) as connection:
            yield Finding("connection", _connection(connection, settings))
            for subject, look in (("rights", _rights), ("exposure", _exposure), ("space", _space), ("holder", _holder)):
                yield _finding(subject, lambda look=look: look(connection, settings))  # type: ignore[misc]
    except TargetError as error:
        yield Finding("connection", "", error)


def _finding(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, look())
    except SidemirrorError as error:
        return Finding(subject, "", error)


def _source(settings: BackupSettings) -> str:
    files = source.find(settings.sqlite_dir, settings.json_dir, settings.json_glob)
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


def _connection(connection: Connection, settings: BackupSettings) -> str:
    tls = connection.info.ssl_attribute("protocol") if connection.info.ssl_in_use else "no TLS"
    checked = settings.supabase_db_sslmode if connection.info.ssl_in_use else "not encrypted"
    version = connection.info.server_version
    return f"{settings.supabase_db_host}:{settings.supabase_db_port}, Postgres {version // 10000}, {tls}, {checked}"


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
        raise TargetExposed(
            f"the role {role} can reach {name} ({count} in all), so the Data API could publish it",
            "revoke it: REVOKE ALL ON ... FROM anon, authenticated, service_role",
        )
    return "no role of the Data API can reach the mirror"


def _space(connection: Connection, settings: BackupSettings) -> str:
    [size] = _ask(connection, settings, "SELECT pg_database_size(current_database())")
    limit = settings.target_size_limit
    told = f"{int(str(size)) / 1e6:.1f} MB of {limit / 1e6:.0f} MB (TARGET_SIZE_LIMIT)"
    if int(str(size)) > limit:
        raise TargetRefused(f"the target is over its limit: {told}", "shorten RETENTION, or raise TARGET_SIZE_LIMIT")
    return told


def _holder(connection: Connection, settings: BackupSettings) -> str:
    with translated(settings):
        state = read_state(connection, settings.source_name)
    holder.require(state, settings.source_name, installation(settings.state_dir))
    return "this installation" if state and state.holder else "nobody yet"


def _ask(connection: Connection, settings: BackupSettings, query: str) -> tuple[object, ...]:
    with translated(settings), connection.cursor() as cursor:
        cursor.execute(query)
        [row] = cursor.fetchall()
    return tuple(row)
