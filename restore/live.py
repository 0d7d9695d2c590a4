"""Is the bot running? Asked before anything in place is touched, in three ways that work across containers on one machine.

1. The bot's service in Compose has a name on a network that the job shares with it (RESTORE_BOT_HOST); Docker answers for it
   exactly while its container runs. That holds for every bot, also for one that has no file open at the moment. Of one that
   ends and is started again all the time, the script tells the state (RESTORE_BOT_STATE).
2. A live connection in WAL mode holds a shared lock on byte 128 of the -shm file for as long as it is open, idle or not; a
   transaction in any mode holds one on the database file's own lock bytes (https://www.sqlite.org/fileformat2.html#the_lock_byte_page,
   walformat.html#wal_locks). F_GETLK shows them without taking a lock.
3. A bot that runs elsewhere can hold a lock on the file `bot.lock` in one of the folders, as `flock bot.lock command` does.
"""

from __future__ import annotations

import fcntl
import os
import socket
import struct
import time
from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path

from mirror import safe_files
from mirror.errors import RestoreError, SourceLive
from mirror.plain_text import shown
from restore.config import Place

PATIENCE_SECONDS = 2.0
LOCK_FILE = "bot.lock"

_PENDING_BYTE = 0x40000000
_LOCK_BYTES = 512  # pending, reserved, and 510 shared bytes
_DEAD_MAN_SWITCH = 128
_FLOCK = "hhqqi4x"  # struct flock on 64-bit Linux
_ROUTES = Path("/proc/net/route")

_STOP = "stop it, and then restore again: docker compose stop bot"


def refuse_if_live(place: Place, databases: Iterable[Path]) -> None:
    """Raises SourceLive when the bot runs, or another process has one of the databases open.

    A reader of a moment, such as the sidecar taking its copy, is waited for.
    """
    databases = tuple(databases)
    _refuse_what_is_no_file(place, databases)
    service = place.restore_bot_host
    if service and service_runs(service):
        raise SourceLive(f"the bot is running: the service {service} is up", _STOP)
    if place.restore_bot_state:
        raise SourceLive(f"the service bot is not stopped, it is {place.restore_bot_state}", _STOP)
    for folder in (place.sqlite_dir, place.json_dir):
        if _held(folder / LOCK_FILE):
            raise SourceLive(f"the bot is running: it holds a lock on {folder / LOCK_FILE}", _STOP)
    deadline = time.monotonic() + PATIENCE_SECONDS
    while live := {database.name: user for database in databases if (user := user_of(database)) is not None}:
        if time.monotonic() >= deadline:
            raise _in_use(live, stopped=bool(service))
        time.sleep(0.1)


def _refuse_what_is_no_file(place: Place, databases: tuple[Path, ...]) -> None:
    """A lock or the index of a log that is a link or a FIFO tells nothing; whoever opens it may wait for ever."""
    locks = [folder / LOCK_FILE for folder in (place.sqlite_dir, place.json_dir)]
    try:
        safe_files.require_files([*locks, *(Path(f"{database}-shm") for database in databases)])
    except safe_files.Refused as error:
        raise RestoreError(
            f"nobody can tell whether the bot runs: {error.strerror}",
            f"remove {shown(str(error.filename))}, and restore again",
        ) from error


def service_runs(name: str) -> bool:
    """Whether the name belongs to a neighbour on one of the networks of this container.

    A name server somewhere that answers for every name is not taken for a neighbour.
    """
    try:
        found = socket.getaddrinfo(name, None, socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        return False
    near = _neighbourhoods()
    return any(IPv4Address(address[4][0]) in network for address in found for network in near)


def user_of(database: Path) -> int | None:
    """The process that has a lock on the database or its WAL index; 0 for one of another container, None for nobody.

    An idle connection in a rollback-journal mode holds no lock, and cannot be seen. Never called in a process that has a
    SQLite connection to the file.
    """
    user = _locked(database, _PENDING_BYTE, _LOCK_BYTES)
    return user if user is not None else _locked(Path(f"{database}-shm"), _DEAD_MAN_SWITCH, 1)


def _in_use(live: dict[str, int], stopped: bool) -> SourceLive:
    files = ", ".join(live)
    known = sorted({pid for pid in live.values() if pid})
    if known:
        who = " and ".join(f"process {pid} ({_program(pid)})" for pid in known)
        return SourceLive(f"the bot is running: {who} has {files} open", _STOP)
    if stopped:
        return SourceLive(
            f"{files} is open in another container, and it is not the service bot",
            "docker ps shows who runs; the sidecar ends its copy by itself, or stop it: docker compose stop backup",
        )
    return SourceLive(f"the bot is running: it has {files} open, in another container", _STOP)


def _program(pid: int) -> str:
    """Its name; never its arguments, which can hold a token."""
    try:
        return Path(f"/proc/{pid}/comm").read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return "ended by now"


def _locked(path: Path, start: int, length: int) -> int | None:
    try:
        descriptor = safe_files.descriptor(path)
    except (FileNotFoundError, safe_files.Refused):
        return None
    try:
        probe = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, start, length, 0)
        found = struct.unpack(_FLOCK, fcntl.fcntl(descriptor, fcntl.F_GETLK, probe))
    finally:
        os.close(descriptor)
    return None if found[0] == fcntl.F_UNLCK else max(found[4], 0)


def _held(path: Path) -> bool:
    """Whether somebody holds a lock on the whole file, of flock(2) or of fcntl(2)."""
    try:
        descriptor = safe_files.descriptor(path)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return _locked(path, 0, 0) is not None


def _neighbourhoods() -> list[IPv4Network]:
    """The networks that this container is in: routes without a gateway, told in little-endian hexadecimal."""
    try:
        lines = _ROUTES.read_text(encoding="ascii").splitlines()[1:]
    except OSError:
        return []
    found = []
    for line in lines:
        _, destination, gateway, _, _, _, _, mask, *_ = line.split()
        if int(gateway, 16) == 0 and int(mask, 16) != 0:
            address, netmask = (IPv4Address(int(word, 16).to_bytes(4, "little")) for word in (destination, mask))
            found.append(IPv4Network(f"{address}/{netmask}"))
    return found
