"""Everything that a supporter would ask for, one line each: what `check` looks at, and versions, certificate, clock, disks.

The lines can be pasted anywhere: no secret is in them, and host and project are shortened.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import platform
import re
import shutil
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version

import psycopg2
from psycopg2.extensions import connection as Connection

from backup import noticing, source, watch
from backup.answer import ago, answer, limit_seconds
from backup.certificate import certificate
from backup.check import Finding, Note, check, found
from backup.config import BackupSettings
from backup.file_systems import NETWORK, kind_of, mounts
from backup.send import unusable
from backup.watch import known_now
from backup.wrong import wrong_now
from mirror.errors import ConfigError, SidemirrorError, SourceUnreadable, StateError, TargetError, TargetRefused
from mirror.target import connected, translated

CLOCK_SECONDS = 5.0


def doctor(settings: BackupSettings) -> Iterator[Finding]:
    """The findings in order: what runs here, what `check` looks at, then what else goes wrong in practice."""
    yield Finding("versions", _versions())
    yield from check(settings)
    try:
        with connected(settings) as connection:
            yield Finding("server", _server(connection, settings))
            yield found("clock", lambda: _clock(connection, settings))
        yield found("certificate", lambda: certificate(settings, datetime.now(UTC)))
    except TargetError:
        pass  # `check` has told it
    yield found("files", lambda: _files(settings))
    yield found("disk", lambda: _disk(settings))
    yield found("file systems", lambda: _file_systems(settings))
    yield found("inotify", lambda: _inotify(settings))
    yield found("alerts", lambda: _alerts(settings))
    yield found("heartbeat", lambda: _heartbeat(settings))
    yield from _itself(settings)


def redacted(text: str, settings: BackupSettings) -> str:
    """The text with the host's and the user's telling parts left out, and whatever secret there is."""
    host, user = settings.supabase_db_host, settings.supabase_db_user
    secrets = [settings.supabase_db_password, settings.alert_urls, settings.discord_webhook_url, settings.heartbeat_url]
    parts = [secret.get_secret_value() for secret in secrets] + [address.url for address in settings.alert_addresses]
    for part in sorted(parts, key=len, reverse=True):
        if len(part) > 3:
            text = text.replace(part, "…")
    if host.count(".") > 1 and not re.fullmatch(r"[0-9.]+", host):
        text = text.replace(host, "….{}.{}".format(*host.split(".")[-2:]))
    if "." in user:
        text = text.replace(user, f"{user.partition('.')[0]}.…")
    return text


def _versions() -> str:
    libpq = psycopg2.extensions.libpq_version()
    return (
        f"Python {platform.python_version()}, SQLite {sqlite3.sqlite_version}, psycopg2 {version('psycopg2-binary')}, "
        f"libpq {libpq // 10000}.{libpq % 10000}, Linux {platform.release()} {platform.machine()}, user {os.getuid()}"
    )


def _server(connection: Connection, settings: BackupSettings) -> str:
    running, port, zone = _ask(
        connection,
        settings,
        "SELECT current_setting('server_version'), inet_server_port(), current_setting('TimeZone')",
    )
    way = "direct" if port == settings.supabase_db_port else "through a pooler"
    return f"Postgres {str(running).split()[0]}, {way}, time zone {zone}"


def _clock(connection: Connection, settings: BackupSettings) -> str:
    before = datetime.now(UTC)
    [there] = _ask(connection, settings, "SELECT extract(epoch FROM clock_timestamp())::float8")
    after = datetime.now(UTC)
    middle = before.timestamp() + (after - before).total_seconds() / 2
    ahead = middle - float(str(there))
    if abs(ahead) > CLOCK_SECONDS:
        raise TargetRefused(
            f"this machine's clock is {ago(abs(ahead))} {'ahead of' if ahead > 0 else 'behind'} the target's",
            "set it by NTP (timedatectl set-ntp true): times of restore points are this clock's",
        )
    return f"{abs(ahead):.1f} s {'ahead of' if ahead > 0 else 'behind'} the target's"


def _files(settings: BackupSettings) -> str:
    """Whether all of the source can be read: a run names only the first reason of a file, and cannot say whose it is."""
    here = source.find(settings)
    paths = [settings.sqlite_dir / f"{file}{side}" for file in here.databases for side in ("", "-wal", "-journal")]
    paths += [settings.json_dir / file for file in here.documents]
    closed = [path for path in paths if path.exists() and not os.access(path, os.R_OK)]
    if closed:
        stat = closed[0].stat()
        raise SourceUnreadable(
            f"{closed[0].name} cannot be read{f', and {len(closed) - 1} more' if len(closed) > 1 else ''}: it belongs to "
            f"{stat.st_uid}:{stat.st_gid}, mode {stat.st_mode & 0o7777:04o}; the sidecar is {os.getuid()}:{os.getgid()}",
            "the bot has to run as BOT_UID and BOT_GID of .env; ./sidemirror up gives its folders to them",
        )
    return "all can be read"


def _disk(settings: BackupSettings) -> str:
    """A run needs room for a second copy of each database beside the first."""
    try:
        free = shutil.disk_usage(settings.state_dir).free
        needed = 2 * sum(path.stat().st_size for path in settings.sqlite_dir.rglob("*") if path.is_file())
    except OSError as error:
        raise StateError(f"the disks cannot be looked at: {error.strerror}", "see the lines above") from error
    told = f"{free / 1e6:.0f} MB free for state, a run may need {needed / 1e6:.0f} MB"
    if free < needed:
        raise StateError(told, "make room on the disk that holds volumes/state")
    return told


def _file_systems(settings: BackupSettings) -> str:
    mounted = mounts()
    found = {}
    for name, folder in (("sqlite", settings.sqlite_dir), ("json", settings.json_dir), ("state", settings.state_dir)):
        found[name] = kind_of(folder, mounted)
    far = sorted(name for name, kind in found.items() if NETWORK.match(kind))
    if far:
        raise SourceUnreadable(
            f"{', '.join(far)} is on a network or shared file system ({found[far[0]]})",
            "SQLite's locks are not reliable there: keep volumes/ on a disk of this machine (docs/reading.md)",
        )
    return ", ".join(f"{name} {kind}" for name, kind in found.items())


def _inotify(settings: BackupSettings) -> str | Note:
    """Whether changes of files can be waited for (man 7 inotify)."""
    library = ctypes.CDLL(ctypes.util.find_library("c") or "libc.so.6", use_errno=True)
    descriptor = library.inotify_init1(os.O_CLOEXEC)
    try:
        if descriptor < 0 or library.inotify_add_watch(descriptor, os.fsencode(settings.sqlite_dir), 0x2) < 0:
            raise SourceUnreadable(
                f"changes in {settings.sqlite_dir} cannot be waited for: {os.strerror(ctypes.get_errno())}",
                "raise this machine's limits: sysctl fs.inotify.max_user_instances=512 fs.inotify.max_user_watches=65536",
            )
    finally:
        if descriptor >= 0:
            os.close(descriptor)
    polling = noticing.read(settings.state_dir)
    if polling is not None:
        return Note(
            polling.sentence,
            "keep volumes/ on a disk of this machine, and raise its inotify limits where they are reached",
        )
    return "changes of files can be waited for"


def _alerts(settings: BackupSettings) -> str | Note:
    addresses = settings.alert_addresses
    if not addresses:
        return Note(
            "nobody is told when something goes wrong", "set ALERT_URLS or DISCORD_WEBHOOK_URL (docs/alerts.md)"
        )
    wrong = unusable(addresses)
    if wrong:
        names = ", ".join(address.name for address in wrong)
        raise ConfigError(
            f"no address that apprise knows: {names}",
            "compare it with https://appriseit.com/services/ (the address is not shown: it is a secret)",
        )
    failing = dict(watch.read(settings.state_dir, datetime.now(UTC)).failing)
    late = [f"{address.name}: {failing[address.name]}" for address in addresses if address.name in failing]
    if late:
        raise ConfigError(f"could not be reached at the last try: {'; '.join(late)}", "./sidemirror alert-test")
    return f"{len(addresses)} addresses; to try them: ./sidemirror alert-test"


def _heartbeat(settings: BackupSettings) -> str | Note:
    if settings.heartbeat_url.get_secret_value():
        return "set"
    return Note(
        "nobody notices when this machine is gone", "set HEARTBEAT_URL to a check of healthchecks.io (docs/alerts.md)"
    )


def _itself(settings: BackupSettings) -> Iterator[Finding]:
    """What `status` says, and everything that is wrong now with its remedy."""
    now, known = datetime.now(UTC), known_now(settings)
    found_wrong = [wrong for wrong in wrong_now(known, now) if wrong.kind != "TargetNearlyFull"]  # `space` has told it
    age = known.outcome.seconds_since_equal(now)
    told = answer(
        known.outcome, age, limit_seconds(settings.backup_every), settings.supabase_db_host, heard=known.heard
    )
    hint = "what the lines below say" if found_wrong else told.hint
    error = None if told.safe else SidemirrorError(told.sentence, hint)
    yield Finding("itself", f"{told.sentence} Next run {known.outcome.next_at or '-'}", error)
    for wrong in found_wrong:
        what = f"{wrong.what} (since {wrong.since})"
        yield Finding(wrong.subject, "", SidemirrorError(what, wrong.hint))


def _ask(connection: Connection, settings: BackupSettings, query: str) -> tuple[object, ...]:
    with translated(settings), connection.cursor() as cursor:
        cursor.execute(query)
        [row] = cursor.fetchall()
    return tuple(row)
