"""How changes are noticed, for those who ask: the scheduler writes it down, `status` and `doctor` read it."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter

from backup.state import read_as, write_atomically

NOTICING_FILE = "noticing.json"


@dataclass(frozen=True)
class Polling:
    """The source is looked at every so many seconds, because the kernel does not tell of all writes."""

    seconds: float
    reason: str

    @property
    def sentence(self) -> str:
        return f"Changes are looked for every {self.seconds:g} s, because {self.reason}"


_KIND = TypeAdapter(Polling)


def write(state_dir: Path, polling: Polling | None) -> None:
    """None: the kernel tells. Raises StateError."""
    path = state_dir / NOTICING_FILE
    if polling is not None:
        write_atomically(path, json.dumps(asdict(polling)), durable=False)
    else:
        path.unlink(missing_ok=True)


def read(state_dir: Path) -> Polling | None:
    """As it was written last; None where nothing can be read."""
    return read_as(_KIND, state_dir / NOTICING_FILE)
