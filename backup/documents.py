"""The source's JSON files, read whole and checked."""

from __future__ import annotations

import hashlib
import json
import os
import time
from dataclasses import dataclass
from pathlib import Path

from tenacity import Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

from mirror import safe_files
from mirror.errors import SourceCorrupt, SourceMissing, SourceUnreadable, SourceUnsupported

HALF_WRITTEN_SECONDS = 3.0
MOST_BYTES = 1_000_000_000  # what Postgres takes as one value


@dataclass(frozen=True)
class Document:
    """A JSON file as it is: its bytes, their SHA-256 in hex, permission bits and modification time."""

    file: str
    content: bytes
    sha256: str
    unqueryable: str | None  # why jsonb would not hold all of it
    mode: int
    mtime_ns: int


# A clock of file systems ticks this often at least: two writes within it can leave the same time.
_TICK_SECONDS = 0.05


def signature(path: Path) -> str:
    """One line of text that is equal as long as the file was not written to, or given other permissions."""
    try:
        stat = path.stat()
    except OSError as error:
        return f"errno {error.errno}"
    now = time.time_ns()
    settled = "" if now - stat.st_mtime_ns > _TICK_SECONDS * 1e9 else f",at {now}"
    return f"{stat.st_ino},{stat.st_size},{stat.st_mtime_ns},{stat.st_ctime_ns},{stat.st_mode}{settled}"


def read(folder: Path, file: str, patience: float = HALF_WRITTEN_SECONDS) -> Document:
    """The document, once it parses; a half-written file is read again for `patience` seconds.

    Raises SourceMissing, SourceUnreadable or SourceCorrupt (it does not parse).
    """
    waiting = Retrying(
        stop=stop_after_delay(patience),
        wait=wait_fixed(0.1),
        retry=retry_if_exception_type(SourceCorrupt),
        reraise=True,
    )
    return waiting(_read, folder, file)


def _read(folder: Path, file: str) -> Document:
    path = folder / file
    try:
        with safe_files.opened(safe_files.inside(path, folder), folder.resolve()) as opened:
            content = safe_files.read_descriptor(opened, MOST_BYTES, path)
            stat = os.fstat(opened)
    except FileNotFoundError:
        raise SourceMissing(f"{file} is not there", "was it moved or deleted? Its last version stays") from None
    except safe_files.Refused as error:
        raise SourceUnsupported(f"{file} is not read: {error.strerror}", "put the file itself there") from error
    except OSError as error:
        raise SourceUnreadable(
            f"{file} cannot be read: {error.strerror}",
            "run the sidecar as the bot's user (BOT_UID and BOT_GID)",
        ) from error
    repeated: set[str] = set()
    try:
        json.loads(content, object_pairs_hook=lambda pairs: _object(pairs, repeated), parse_int=len, parse_float=len)
    except RecursionError:
        return _document(file, content, stat, "it is nested too deeply to be checked")
    except ValueError as error:
        raise SourceCorrupt(
            f"{file} is not valid JSON: {error}",
            "its last good version stays in the mirror; look at the file",
        ) from None
    return _document(file, content, stat, _why_not(repeated))


def _document(file: str, content: bytes, stat: os.stat_result, unqueryable: str | None) -> Document:
    digest = hashlib.sha256(content).hexdigest()
    return Document(file, content, digest, unqueryable, stat.st_mode & 0o7777, stat.st_mtime_ns)


def _object(pairs: list[tuple[str, object]], repeated: set[str]) -> None:
    """Notes the keys that one object has twice; the object itself is not needed."""
    if len({key for key, _ in pairs}) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated.update(key for key in keys if keys.count(key) > 1)


def _why_not(repeated: set[str]) -> str | None:
    """jsonb keeps only the last of equal keys, which would be a different document."""
    shown = ", ".join(sorted(repeated)[:5])
    shown = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in shown)
    return f"an object has a key twice: {shown}" if repeated else None
