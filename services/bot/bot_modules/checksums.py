"""What is known of the files that were written: the file `backups/checksums`.

data.json is the user's plain document: number and checksum of its save cannot be inside. They are here, written
before the file gets its name, for the save before and the one in flight. A save is recognised by the size and the
time of change that its file had when it was written: both stay when a disk changes a bit (then the checksum tells),
and do not when a person or a restore puts another file there (then the checksum is not for that file).

The file is a help, never a judge alone: without it everything that parses is believed. So it is not synced, and
when its own checksum is wrong it counts as not there.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

NAME = "checksums"


@dataclass(frozen=True)
class Save:
    """One save of the main file. `number` counts the saves that were tried, and never goes back."""

    number: int
    sha256: str
    size: int
    mtime_ns: int


@dataclass(frozen=True)
class Copy:
    """One backup: which save it is of, and the checksum of the document in it."""

    number: int
    sha256: str


@dataclass
class Known:
    """`saves` counts those that succeeded; `main` has the last save and the one in flight."""

    saves: int = 0
    main: list[Save] = field(default_factory=list)
    backups: dict[str, Copy] = field(default_factory=dict)

    def of_main(self, size: int, mtime_ns: int) -> list[Save]:
        """The saves that the main file may be of."""
        return [save for save in self.main if (save.size, save.mtime_ns) == (size, mtime_ns)]

    def highest_number(self) -> int:
        return max([0, *(save.number for save in self.main), *(copy.number for copy in self.backups.values())])


def sha256(content: bytes) -> str:
    """In hexadecimal; for large content other threads run meanwhile."""
    return hashlib.sha256(content).hexdigest()


def read_known(folder: Path) -> Known:
    """What `write_known` wrote; nothing when it is not there or not whole."""
    try:
        first, _, rest = (folder / NAME).read_bytes().partition(b"\n")
        if first.decode("ascii") != sha256(rest):
            return Known()
        stored = json.loads(rest)
        return Known(
            saves=stored["saves"],
            main=[Save(**save) for save in stored["main"]],
            backups={name: Copy(**copy) for name, copy in stored["backups"].items()},
        )
    except (OSError, ValueError, KeyError, TypeError):
        return Known()


def write_known(folder: Path, known: Known) -> None:
    """In one step, so that a crash leaves the old or the new one."""
    stored = json.dumps(asdict(known)).encode()
    temporary = folder / f".{NAME}.new"
    temporary.write_bytes(sha256(stored).encode() + b"\n" + stored)
    temporary.replace(folder / NAME)
