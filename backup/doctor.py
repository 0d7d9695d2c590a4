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
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import psycopg2
from psycopg2.extensions import connection as Connection

from backup import outcome, watch
from backup.answer import ago, answer, limit_seconds
from backup.certificate import certificate
from backup.check import Finding, check
from backup.config import BackupSettings
from backup.send import unusable
from mirror.errors import ConfigError, SidemirrorError, SourceUnreadable, StateError, TargetError, TargetRefused
from mirror.target import connected, translated

CLOCK_SECONDS = 5.0
_NETWORK = re.compile(r"nfs|cifs|smb|9p|virtiofs|fuse\.(?!fuse-overlayfs)|ceph|gluster|afs|drvfs")


def doctor(settings: BackupSettings) -> Iterator[Finding]:
    """The findings in order: what runs here, what `check` looks at, then what else goes wrong in practice."""
    yield Finding("versions", _versions())
    yield from check(settings)
    try:
        with connected(settings) as connection:
            yield Finding("server", _server(connection, settings))
            yield _finding("clock", lambda: _clock(connection, settings))
        yield _finding("certificate", lambda: certificate(settings, datetime.now(UTC)))
    except TargetError:
        pass  # `check` has told it
    yield _finding("disk", lambda: _disk(settings))
    yield _finding("file systems", lambda: _file_systems(settings))
    yield _finding("inotify", lambda: _inotify(settings))
    yield _finding("alerts", lambda: _alerts(settings))
    yield Finding("heartbeat", "set" if settings.heartbeat_url.get_secret_value() else "HEARTBEAT_URL is not set")
    yield Finding("itself", _itself(settings))


def redacted(text: str, settings: BackupSettings) -> str:
    """The text with the host's and the user's telling parts left out, and whatever secret there is."""
    host, user = settings.supabase_db_host, settings.supabase_db_user
    secrets = [settings.supabase_db_password, settings.alert_urls, settings.discord_webhook_url, settings.heartbeat_url]
    for secret in (secret.get_secret_value() for secret in secrets):
        if len(secret) > 3:
            text = text.replace(secret, "…")
    if host.count(".") > 1 and not re.fullmatch(r"[0-9.]+", host):
        text = text.replace(host, "….{}.{}".format(*host.split(".")[-2:]))
    if "." in user:
        text = text.replace(user, f"{user.partition('.')[0]}.…")
    return text


def _finding(subject: str, look: Callable[[], str]) -> Finding:
    try:
        return Finding(subject, look())
    except SidemirrorError as error:
        return Finding(subject, "", error)


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
    mounted = _mounts()
    found = {}
    for name, folder in (("sqlite", settings.sqlite_dir), ("json", settings.json_dir), ("state", settings.state_dir)):
        place = folder.resolve()
        found[name] = next(mounted[str(at)] for at in (place, *place.parents) if str(at) in mounted)
    far = sorted(name for name, kind in found.items() if _NETWORK.match(kind))
    if far:
        raise SourceUnreadable(
            f"{', '.join(far)} is on a network or shared file system ({found[far[0]]})",
            "SQLite's locks are not reliable there: keep volumes/ on a disk of this machine (docs/reading.md)",
        )
    return ", ".join(f"{name} {kind}" for name, kind in found.items())


def _mounts() -> dict[str, str]:
    """Mount point: kind of file system, from the kernel (man 5 proc, mountinfo)."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8").splitlines()
    split = (line.split(" - ") for line in lines)
    return {left.split()[4]: right.split()[0] for left, right in split}


def _inotify(settings: BackupSettings) -> str:
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
    return "changes of files can be waited for"


def _alerts(settings: BackupSettings) -> str:
    addresses = settings.alert_addresses
    if not addresses:
        return "nobody is told (ALERT_URLS and DISCORD_WEBHOOK_URL are not set)"
    wrong = unusable(addresses)
    if wrong:
        names = ", ".join(address.name for address in wrong)
        raise ConfigError(f"no address that apprise knows: {names}", "compare with https://appriseit.com/services/")
    failing = dict(watch.read(settings.state_dir, datetime.now(UTC)).failing)
    late = [f"{address.name}: {failing[address.name]}" for address in addresses if address.name in failing]
    if late:
        raise ConfigError(f"could not be reached at the last try: {'; '.join(late)}", "./sidemirror alert-test")
    return f"{len(addresses)} addresses; to try them: ./sidemirror alert-test"


def _itself(settings: BackupSettings) -> str:
    known = outcome.read(settings.state_dir)
    age, limit = known.seconds_since_equal(datetime.now(UTC)), limit_seconds(settings.backup_every)
    told = answer(known, age, limit, settings.supabase_db_host).sentence
    kinds = ", ".join(f"{trouble.kind} of {trouble.subject} since {trouble.since}" for trouble in known.troubles)
    return f"{told} Next run {known.next_at or '-'}. {kinds}".strip()


def _ask(connection: Connection, settings: BackupSettings, query: str) -> tuple[object, ...]:
    with translated(settings), connection.cursor() as cursor:
        cursor.execute(query)
        [row] = cursor.fetchall()
    return tuple(row)
