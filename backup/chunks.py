"""A document cut into pieces by its content, so that two versions of it share all pieces but those that differ.

A piece ends where a checksum of the bytes before it has zeros at its end: that depends on these bytes alone, not on where
in the file they stand, so what is put in or taken out in front of them moves nothing. (Content-defined chunking, as restic
and borg do it.) Only bytes of one class can be an end, which spares Python the look at each byte; the class has something of
every kind of content: JSON, hex, base64, UTF-8 and binary.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator

SMALLEST_BYTES = 2_048
LARGEST_BYTES = 32_768
HASH_BYTES = 32  # SHA-256

_WINDOW_BYTES = 48
_ONE_IN = 256  # of the places where a piece may end
_ENDS = re.compile(
    b"[" + b"".join(re.escape(bytes([b])) for b in range(256) if b & 15 == 12 or b in b'\nd7"}\xb0\xbe') + b"]"
)


def chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The bytes of all blocks together, in pieces of about 3.5 kB; how they come in blocks makes no difference."""
    rest = b""
    for block in blocks:
        rest += block
        start = 0
        while len(rest) - start >= LARGEST_BYTES:
            end = _end(rest, start)
            yield rest[start:end]
            start = end
        rest = rest[start:]
    start = 0
    while start < len(rest):
        end = _end(rest, start)
        yield rest[start:end]
        start = end


def _end(data: bytes, start: int) -> int:
    """Where the piece ends that begins at `start`."""
    last = min(start + LARGEST_BYTES, len(data))
    for match in _ENDS.finditer(data, start + SMALLEST_BYTES, last):
        end = match.end()
        if zlib.crc32(data[end - _WINDOW_BYTES : end]) % _ONE_IN == 0:
            return end
    return last
