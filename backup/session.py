"""What one process keeps between its runs, so that a small run is cheap. All of it can be dropped at any time."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import NamedTuple

from psycopg2.extensions import connection as Connection

from backup import documents, source
from backup.aside import Aside
from backup.config import BackupSettings
from backup.days_most import DaysMost
from backup.kept import KeptConnection
from backup.own_runs import OwnRuns
from backup.signature import only_begun, signature
from backup.upkeep import Upkeep
from mirror import catalog
from mirror.catalog import State
from mirror.errors import SourceError

Seen = dict[tuple[str, str], str]  # signature of each file, by kind and name


class LastRead(NamedTuple):
    """A document as it was when it was last read: its file's signature, and what was in it."""

    signature: str
    sha256: str
    mode: int
    size: int
    hashes: bytes  # of its pieces


class Look(Enum):
    """What a look at the source found: nothing new, a commit that has begun, or something that was written."""

    SAME = "same"
    BEGUN = "begun"
    WRITTEN = "written"


@dataclass
class Session:
    """`seen`: the source as the last run that came through found it; None after one that did not. `state`: what the target
    had when it was last asked or written to. `private`: the roles of the Data API were looked at with that question.
    """

    connection: KeptConnection = field(default_factory=KeptConnection)
    seen: Seen | None = None
    documents: dict[str, LastRead] = field(default_factory=dict)
    state: State | None = None
    private: bool = False
    runs: OwnRuns | None = None
    most: DaysMost = field(default_factory=DaysMost)
    aside: Aside = field(default_factory=Aside)
    documents_sent: int = 0  # bytes, since their growth was last looked at
    upkeep: Upkeep = field(default_factory=Upkeep)

    def close(self) -> None:
        self.connection.close()
        self.aside.close()

    def read_state(self, connection: Connection, source: str, all_of_it: bool = False) -> State | None:
        """The target's state, of which only a number is asked for while it is as it was left."""
        known = None if all_of_it else self.state
        self.private = False
        self.state = (
            catalog.read_state_since(connection, source, known) if known else catalog.read_state(connection, source)
        )
        self.private = known is not None and self.state is not None and known.token == self.state.token is not None
        return self.state

    def own_runs(self, state_dir: Path) -> OwnRuns:
        """As they are written down now: another process may have added some."""
        if self.runs is None or not self.runs.is_current(state_dir):
            self.runs = OwnRuns(state_dir)
        return self.runs

    def look(self, settings: BackupSettings) -> Look:
        """Whether the source is another than the last run saw. Only file times and headers are looked at."""
        if self.seen is None or (now := see(settings)) == self.seen:
            return Look.SAME
        return Look.BEGUN if now is not None and _only_begun(self.seen, now) else Look.WRITTEN


def _only_begun(before: Seen, now: Seen) -> bool:
    differing = [name for name in before.keys() | now.keys() if before.get(name) != now.get(name)]
    pairs = [(kind, before.get((kind, file)), now.get((kind, file))) for kind, file in differing]
    return all(kind == "database" and was and found and only_begun(was, found) for kind, was, found in pairs)


def see(settings: BackupSettings) -> Seen | None:
    """What tells one state of the source's files from another; None where a folder cannot be looked into."""
    try:
        files = source.find(settings)
    except SourceError:
        return None
    seen = {("database", file): signature(settings.sqlite_dir / file) for file in files.databases}
    seen |= {("document", file): documents.signature(settings.json_dir / file) for file in files.documents}
    return seen | {("refused", file): error.what for file, error in files.refused}
