"""Which pages were written to since a moment, from the WAL (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).

Every commit of a database in WAL mode appends its pages there. A WAL that begins anew has other salts, and the checksum of
each frame covers all frames before it; so as long as salts and the checksum of the last frame that was read are as they
were, exactly the frames after it are new. More pages than changed may be named, never fewer. A position is worth nothing
after a power cut, which can take committed frames back: it counts for one boot of the machine only (see shadows.py).

The files are opened before SQLite opens the database, and closed after it has closed it: closing a file drops all locks
that the process has on it. So `Wal` is the outer block.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from mirror import safe_files

_WAL_HEADER, _FRAME_HEADER = 32, 24
_MOST_FRAMES = 50_000


@dataclass(frozen=True)
class Position:
    """A frame of one WAL: its number (0: before the first), its checksum, and the file's inode and salts, in hex."""

    inode: int
    salts: str
    frame: int
    checksum: str


class Wal:
    """The WAL beside a database, which may not be there."""

    def __init__(self, database: Path) -> None:
        self.database = database
        self.files: list[int] = []

    def __enter__(self) -> Wal:
        with suppress(OSError):
            for suffix in ("-wal", "-shm"):
                self.files.append(safe_files.descriptor(Path(f"{self.database}{suffix}")))
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        for file in self.files:
            os.close(file)
        self.files = []

    def position(self) -> Position | None:
        """The last commit that is surely in every snapshot taken from now on; None where that cannot be told.

        From the WAL index (https://www.sqlite.org/walformat.html#the_wal_index_header), if the WAL itself agrees with it.
        """
        if len(self.files) < 2:
            return None
        header, page_size = os.pread(self.files[1], 96, 0), self._page_size()
        if len(header) < 96 or header[:48] != header[48:] or not header[12] or not page_size:
            return None
        frame = int.from_bytes(header[16:20], "little")
        sums = [int.from_bytes(header[at : at + 4], "little").to_bytes(4, "big") for at in (24, 28)]
        checksum = b"".join(sums).hex() if frame else ""
        found = Position(os.fstat(self.files[0]).st_ino, header[32:40].hex(), frame, checksum)
        return found if self._has(found, page_size) else None

    def pages_since(self, position: Position | None) -> set[int] | None:
        """Every page that was written since, and perhaps more; None where that cannot be told.

        Called inside of the read transaction for which it is asked: what that sees is in the file by then.
        """
        page_size = self._page_size()
        if position is None or not page_size or not self._has(position, page_size):
            return None
        found: set[int] = set()
        for number in range(position.frame, _MOST_FRAMES):
            header = os.pread(self.files[0], _FRAME_HEADER, _WAL_HEADER + number * (_FRAME_HEADER + page_size))
            if len(header) < _FRAME_HEADER or header[8:16].hex() != position.salts:
                # A WAL that was begun anew in the meantime has new salts in its header before it has new frames.
                return found if self._has(position, page_size) else None
            found.add(int.from_bytes(header[:4], "big"))
        return None

    def _page_size(self) -> int:
        if not self.files:
            return 0
        header = os.pread(self.files[0], _WAL_HEADER, 0)
        return int.from_bytes(header[8:12], "big") if len(header) == _WAL_HEADER else 0

    def _has(self, position: Position, page_size: int) -> bool:
        """Whether everything up to the position is as it was."""
        wal = self.files[0]
        if os.fstat(wal).st_ino != position.inode or os.pread(wal, 8, 16).hex() != position.salts:
            return False
        if position.frame == 0:
            return True
        frame = os.pread(wal, _FRAME_HEADER, _WAL_HEADER + (position.frame - 1) * (_FRAME_HEADER + page_size))
        return frame[8:16].hex() == position.salts and frame[16:24].hex() == position.checksum
