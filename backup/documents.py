"""The source's documents: read as they are at one moment, cut into pieces, and parsed where they are small enough.

A document is bytes; JSON is only how it can be shown. A large one is copied into a file without a name in the state folder
first, so that no more of it is in memory than a few pieces, however large it is.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Self

from backup.chunks import HASH_BYTES, chunks
from backup.config import BackupSettings
from mirror import safe_files
from mirror.errors import SourceBusy, SourceCorrupt, SourceMissing, SourceUnreadable, SourceUnsupported, StateError

HALF_WRITTEN_SECONDS = 3.0
# Up to this size a document is parsed here, and is jsonb in the target. Postgres takes about ten times that for it.
JSON_BYTES = 4_000_000

_PAUSE_SECONDS = 0.1
_BLOCK_BYTES = 1_000_000
_ENDS = {b"{": b"}", b"[": b"]", b'"': b'"'}
# What can stand around a JSON value: blanks, and what UTF-16 and a BOM bring.
_AROUND = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"


@dataclass(frozen=True)
class Document:
    """A file as it was at one moment: its size, SHA-256 in hex, permission bits and time, and its pieces.

    `content`: all of it, of a small one. `hashes`: the pieces' SHA-256, one after the other. `is_json`: it parses, or (when
    it is too large for that) begins and ends as JSON does. `unqueryable`: why jsonb would not hold all of it.
    """

    file: str
    size: int
    sha256: str
    mode: int
    mtime_ns: int
    is_json: bool
    unqueryable: str | None
    hashes: bytes
    content: bytes | None = field(repr=False)
    ends: array[int] = field(repr=False)
    copy: IO[bytes] | None = field(repr=False)

    def each_chunk(self) -> Iterator[tuple[bytes, bytes]]:
        """Hash and bytes of every piece, in order."""
        start = 0
        for number, end in enumerate(self.ends):
            if self.content is not None:
                data = self.content[start:end]
            else:
                assert self.copy is not None
                self.copy.seek(start)
                data = self.copy.read(end - start)
            yield self.hashes[number * HASH_BYTES : (number + 1) * HASH_BYTES], data
            start = end

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        if self.copy is not None:
            self.copy.close()


@dataclass(frozen=True)
class _Found:
    """What was read; `quiet`: nobody wrote meanwhile. `wrong`: why it is no JSON."""

    content: bytes | None
    copy: IO[bytes] | None
    stat: os.stat_result
    quiet: bool
    wrong: str | None
    unqueryable: str | None

    def close(self) -> None:
        if self.copy is not None:
            self.copy.close()


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


@dataclass(frozen=True)
class Reading:
    """`scratch`: a folder for copies of large documents; `limit`: the largest that is taken, in bytes."""

    folder: Path
    scratch: Path
    limit: int


def reading(settings: BackupSettings) -> Reading:
    return Reading(settings.json_dir, settings.state_dir, settings.document_limit)


def read(
    reading: Reading,
    file: str,
    was_json: Callable[[], bool | None] = lambda: None,
    patience: float = HALF_WRITTEN_SECONDS,
) -> Document:
    """The document, to be closed. One that is half-written, or is no JSON and may have been, is read again for `patience`.

    `was_json`: whether the version that is mirrored is JSON; None for a new document. One that never was is bytes like any
    other. Raises SourceMissing, SourceUnreadable, SourceUnsupported (too large), SourceBusy (written to all the time),
    SourceCorrupt (it was JSON and is not any more), or StateError when there is no room for a copy.
    """
    deadline = time.monotonic() + patience
    was: bool | None = None
    asked = False
    while True:
        found = _read(reading, file)
        if found.wrong and not asked:
            was, asked = was_json(), True
        if found.quiet and (found.wrong is None or was is False):
            break
        if time.monotonic() >= deadline:
            break
        found.close()
        time.sleep(_PAUSE_SECONDS)
    try:
        if not found.quiet:
            raise SourceBusy(
                f"{file} is written to all the time, so it cannot be read as it is at one moment",
                "it is tried again at the next run; let the bot write it to a new name and rename that",
            )
        if found.wrong and was:
            raise SourceCorrupt(
                f"{file} is not valid JSON: {found.wrong}",
                "its last good version stays in the mirror; look at the file",
            )
        return _document(file, found)
    except BaseException:
        found.close()
        raise


def _read(reading: Reading, file: str) -> _Found:
    path = reading.folder / file
    try:
        with safe_files.opened(safe_files.inside(path, reading.folder), reading.folder.resolve()) as opened:
            stat = os.fstat(opened)
            if stat.st_size > reading.limit:
                raise SourceUnsupported(
                    f"{file} has {stat.st_size / 1e6:.1f} MB, more than DOCUMENT_LIMIT "
                    f"({reading.limit / 1e6:.0f} MB), so it is not mirrored",
                    "raise DOCUMENT_LIMIT in .env, or leave the file out with JSON_GLOB; all others go on",
                )
            if stat.st_size > JSON_BYTES:
                content, copy = None, _copied(opened, stat.st_size, reading.scratch)
            else:
                content, copy = os.pread(opened, stat.st_size + 1, 0), None
            after = os.fstat(opened)
    except FileNotFoundError:
        raise SourceMissing(f"{file} is not there", "was it moved or deleted? Its last version stays") from None
    except safe_files.Refused as error:
        raise SourceUnsupported(f"{file} is not read: {error.strerror}", "put the file itself there") from error
    except OSError as error:
        raise SourceUnreadable(
            f"{file} cannot be read: {error.strerror}",
            "run the sidecar as the bot's user (BOT_UID and BOT_GID)",
        ) from error
    # Not its ctime: a file that is replaced by another while it is read is still a whole one.
    quiet = (after.st_size, after.st_mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    quiet = quiet and (content is None or len(content) == stat.st_size)
    if not quiet:
        return _Found(content, copy, stat, False, None, None)
    wrong, unqueryable = _as_json(content) if content is not None else _as_large_json(copy)
    return _Found(content, copy, stat, True, wrong, unqueryable)


def _copied(opened: int, size: int, scratch: Path) -> IO[bytes]:
    """A copy that is gone when it is closed, whatever happens; never more of it than was there at first."""
    try:
        copy = tempfile.TemporaryFile(dir=scratch)  # noqa: SIM115 - closed with the document
    except OSError as error:
        raise _no_room(scratch, error) from error
    try:
        left = size
        while left and (sent := os.sendfile(copy.fileno(), opened, None, min(left, _BLOCK_BYTES))):
            left -= sent
    except OSError as error:
        copy.close()
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise _no_room(scratch, error) from error
        raise
    return copy


def _no_room(scratch: Path, error: OSError) -> StateError:
    return StateError(
        f"a document cannot be copied into the state folder {scratch}: {error.strerror}",
        "make room on that disk, or give the folder to the sidecar's user",
    )


def _document(file: str, found: _Found) -> Document:
    whole, hashes, ends = hashlib.sha256(), bytearray(), array("Q")
    end = 0
    for chunk in chunks(_blocks(found)):
        whole.update(chunk)
        hashes += hashlib.sha256(chunk).digest()
        end += len(chunk)
        ends.append(end)
    return Document(
        file=file,
        size=end,
        sha256=whole.hexdigest(),
        mode=found.stat.st_mode & 0o7777,
        mtime_ns=found.stat.st_mtime_ns,
        is_json=found.wrong is None,
        unqueryable=f"it is not valid JSON: {found.wrong}" if found.wrong else found.unqueryable,
        hashes=bytes(hashes),
        content=found.content,
        ends=ends,
        copy=found.copy,
    )


def _blocks(found: _Found) -> Iterator[bytes]:
    if found.copy is None:
        yield found.content or b""
        return
    found.copy.seek(0)
    while block := found.copy.read(_BLOCK_BYTES):
        yield block


def _as_json(content: bytes) -> tuple[str | None, str | None]:
    """Why it is no JSON, and why jsonb would not hold all of it."""
    repeated: set[str] = set()
    try:
        json.loads(content, object_pairs_hook=lambda pairs: _object(pairs, repeated), parse_int=len, parse_float=len)
    except RecursionError:
        return None, "it is nested too deeply to be checked"
    except ValueError as error:
        return str(error), None
    return None, _why_not(repeated)


def _as_large_json(copy: IO[bytes] | None) -> tuple[str | None, str | None]:
    """By its two ends: a file that is cut off, or begins anew in the middle, ends in another way than it begins."""
    assert copy is not None
    copy.seek(0)
    first = copy.read(4096).strip(_AROUND)[:1]
    copy.seek(-4096, os.SEEK_END)
    last = copy.read().strip(_AROUND)[-1:]
    if not first or _ENDS.get(first) != last:
        return "it does not end as it begins", None
    return None, f"it has more than {JSON_BYTES // 1_000_000} MB, so it is kept as bytes only"


def _object(pairs: list[tuple[str, object]], repeated: set[str]) -> None:
    """Notes the keys that one object has twice; the object itself is not needed."""
    if len({key for key, _ in pairs}) < len(pairs):
        times = Counter(key for key, _ in pairs)
        repeated.update(key for key, count in times.items() if count > 1)


def _why_not(repeated: set[str]) -> str | None:
    """jsonb keeps only the last of equal keys, which would be a different document."""
    shown = ", ".join(sorted(repeated)[:5])
    shown = "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in shown)
    return f"an object has a key twice: {shown}" if repeated else None
