"""What each page of a private copy was when it was written there: a CRC-32 for each page, in a file beside the copy.

A copy is carried forward from run to run, so one bit that a bad disk turns would be carried forward as well: into the
content hash of a table, and from there into the mirror. Pages that come from the bot's file get their sum while they are
written, all others keep the one that they have, and what is read is checked first (soundness.py).
"""

from __future__ import annotations

import struct
import zlib
from array import array
from contextlib import suppress
from pathlib import Path

_MAGIC = b"sidemirror sums 1\n"
_HEAD = struct.Struct("<IQ")
_AT_ONCE = 1 << 20


class Damaged(Exception):
    """A private copy is not what was written there."""


class Sums:
    """One number for each page of a file, the first page's first."""

    def __init__(self, page_size: int, values: array[int]) -> None:
        self.page_size = page_size
        self.values = values

    def copy(self) -> Sums:
        return Sums(self.page_size, self.values[:])

    def resize(self, count: int) -> None:
        """Makes it one of so many pages; those that are new have to be put."""
        del self.values[count:]
        self.values.frombytes(bytes(self.values.itemsize * (count - len(self.values))))

    def put(self, number: int, page: bytes) -> None:
        self.values[number - 1] = zlib.crc32(page)

    def check(self, number: int, page: bytes, name: str) -> None:
        """Raises Damaged unless this is what was written as page `number`."""
        if not 1 <= number <= len(self.values) or zlib.crc32(page) != self.values[number - 1]:
            raise Damaged(f"page {number} of {name} is not what was written there: a bad disk, or bad memory?")

    def check_file(self, path: Path) -> None:
        """Raises Damaged unless the whole file is what was written."""
        found = of_file(path, self.page_size)
        if found.values != self.values:
            pages = zip(found.values, self.values, strict=False)
            first = next((n for n, (now, then) in enumerate(pages, 1) if now != then), None)
            what = f"page {first} of {path.name}" if first else path.name
            raise Damaged(f"{what} is not what was written there: a bad disk, or bad memory?")


def of_file(path: Path, page_size: int | None = None) -> Sums:
    """The sums of a file as it is now; its pages are as large as its header says."""
    with path.open("rb") as file:
        size = page_size or _page_size(file.read(18))
        file.seek(0)
        values = array("I")
        at_once = max(_AT_ONCE, size)
        while block := file.read(at_once):
            view = memoryview(block)
            values.extend([zlib.crc32(view[at : at + size]) for at in range(0, len(block), size)])
    return Sums(size, values)


def place(copy: Path) -> Path:
    """Where the sums of a copy stand."""
    return copy.with_suffix(".sums")


def read(copy: Path) -> Sums | None:
    """The sums beside a copy; None where there are none, or where they are damaged themselves."""
    with suppress(OSError, struct.error):
        content = place(copy).read_bytes()
        head, body = content[: len(_MAGIC) + _HEAD.size], content[len(_MAGIC) + _HEAD.size : -4]
        page_size, count = _HEAD.unpack_from(head, len(_MAGIC))
        values = array("I")
        whole = head.startswith(_MAGIC) and len(body) == count * values.itemsize
        if whole and zlib.crc32(head + body) == int.from_bytes(content[-4:], "little"):
            values.frombytes(body)
            return Sums(page_size, values)
    return None


def write(sums: Sums, copy: Path) -> None:
    """Puts them beside the copy. A damaged or half-written file is told from a whole one by a sum of its own."""
    content = _MAGIC + _HEAD.pack(sums.page_size, len(sums.values)) + sums.values.tobytes()
    place(copy).write_bytes(content + zlib.crc32(content).to_bytes(4, "little"))


def _page_size(header: bytes) -> int:
    size = int.from_bytes(header[16:18], "big")
    return 65536 if size == 1 else max(size, 512)
