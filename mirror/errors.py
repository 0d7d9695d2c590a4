"""Every error that a person can meet, each with what happened and what to do.

SidemirrorError
├── ConfigError              a variable or an option is wrong
├── SourceError              one database, document or folder of the source
│   ├── SourceMissing        it is not there
│   ├── SourceUnreadable     it is there and cannot be opened
│   ├── SourceBusy           a writer held it locked for longer than the deadline
│   ├── SourceCorrupt        SQLite's own check fails, or a document does not parse
│   └── SourceUnsupported    it uses something that cannot be mirrored exactly
├── TargetError              Postgres
│   ├── TargetUnreachable    no connection, or it broke: worth another try
│   ├── TargetRefused        TLS, rights, a newer catalog: a person has to change something
│   │   └── TargetLogin      password or user: trying again makes it worse
│   ├── TargetFull           read-only because of its size limit
│   ├── TargetExposed        a role of the Data API can reach a mirrored table
│   ├── TargetTaken          another installation is the holder of this source
│   └── TargetMoved          the target is no longer at the run that this run began from
├── StateError               the state folder: full, missing, not writable
├── RunInProgress            another run of this installation holds the run lock
└── RestoreError
    ├── NoBackup             the target holds nothing that was asked for
    ├── SourceLive           the bot has the file open
    ├── NotVerified          what was staged is not what was mirrored
    └── Cancelled            the person said no
"""

from __future__ import annotations


class SidemirrorError(Exception):
    """The root: `what` happened and a `hint` that says what to do; `exit_code` is documented in the README."""

    exit_code = 1

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.what}\n  Try: {self.hint}" if self.hint else self.what


class ConfigError(SidemirrorError):
    exit_code = 2


class SourceError(SidemirrorError):
    exit_code = 3


class SourceMissing(SourceError):
    pass


class SourceUnreadable(SourceError):
    pass


class SourceBusy(SourceError):
    pass


class SourceCorrupt(SourceError):
    pass


class SourceUnsupported(SourceError):
    pass


class TargetError(SidemirrorError):
    exit_code = 4


class TargetUnreachable(TargetError):
    exit_code = 4


class TargetRefused(TargetError):
    exit_code = 5


class TargetLogin(TargetRefused):
    pass


class TargetFull(TargetError):
    exit_code = 5


class TargetExposed(TargetError):
    exit_code = 5


class TargetTaken(TargetError):
    exit_code = 14


class TargetMoved(TargetError):
    exit_code = 4


class StateError(SidemirrorError):
    exit_code = 7


class RunInProgress(SidemirrorError):
    exit_code = 8


class RestoreError(SidemirrorError):
    exit_code = 9


class SourceLive(RestoreError):
    exit_code = 10


class NoBackup(RestoreError):
    exit_code = 11


class NotVerified(RestoreError):
    exit_code = 12


class Cancelled(RestoreError):
    exit_code = 13
