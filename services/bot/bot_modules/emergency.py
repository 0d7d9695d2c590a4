"""The emergency copy: the whole document with all that decides whether it is newer than data.json.

    {"sha256": "…",                  of everything below this line
    "emergency": {"number": 17, "instead_of": ["…"], "main": [8401, 1795313241000000000], "saved": "…", "why": "…"},
    "document":
    {…}                              line 4, alone: sed -n 4p data.emergency.json > data.json
    }

`instead_of` are the checksums of what data.json can hold after the failed save, `main` the size and the time of
change that it has. A data.json with one of them is older than this copy, although it is valid; one with any other
was saved, or put there, later.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .checksums import sha256
from .durable import write_durably
from .errors import DamagedFileError

_BEFORE, _AFTER = b'"document":\n', b"\n}\n"


@dataclass(frozen=True)
class Emergency:
    """`number` is the save's, `saved` the time in UTC, `content` the document's bytes."""

    number: int
    instead_of: tuple[str, ...]
    main: tuple[int, int] | None
    saved: str
    why: str
    content: bytes


def write_emergency(path: Path, copy: Emergency) -> None:
    """Durable when it returns."""
    header = {key: value for key, value in vars(copy).items() if key != "content"}
    rest = f'"emergency": {json.dumps(header)},\n'.encode() + _BEFORE + copy.content + _AFTER
    write_durably(path, f'{{"sha256": "{sha256(rest)}",\n'.encode() + rest)


def read_emergency(path: Path) -> Emergency | None:
    """None when there is none. Raises DamagedFileError, and OSError when it cannot be read."""
    try:
        stored = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return None
    first, _, rest = stored.partition(b"\n")
    if first != f'{{"sha256": "{sha256(rest)}",'.encode():
        raise DamagedFileError("does not match its checksum")
    try:
        second, _, after = rest.partition(b"\n")
        header: dict[str, Any] = json.loads(b"{" + second.rstrip(b",") + b"}")["emergency"]
        content = after.removeprefix(_BEFORE).removesuffix(_AFTER)
        header["instead_of"] = tuple(header["instead_of"])
        header["main"] = tuple(header["main"]) if header["main"] else None
        return Emergency(content=content, **header)
    except (ValueError, KeyError, TypeError) as error:
        raise DamagedFileError("is no emergency copy") from error
