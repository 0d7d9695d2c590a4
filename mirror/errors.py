"""Every error that a person can meet, each with what happened and what to do.

SidemirrorError
├── ConfigError              a variable or an option is wrong
├── SourceError              one database, document or folder of the source
│   ├── SourceMissing        it is not there
│   ├── SourceUnreadable     it is there and cannot be opened
│   ├── SourceBusy           a writer held it locked for longer than the deadline
│   ├── SourceCorrupt        SQLite's own check fails, or a document does not parse
│   ├── SourceUnsupported    it uses something that cannot be mirrored exactly
│   ├── SourceFault          the sidecar itself failed at it: a bug to report
│   ├── Stuck                runs were ended at it, or come to no end: it is set aside
│   └── GuardHeld            it lost so much that a person has to say that this is meant
├── TargetError              Postgres
│   ├── TargetUnreachable    no connection, or it broke: worth another try
│   ├── TargetRefused        TLS, rights, a newer catalog: a person has to change something
│   │   └── TargetLogin      password or user: trying again makes it worse
│   ├── TargetFull           read-only because of its size limit
│   ├── TargetExposed        a role of the Data API can reach a mirrored table
│   ├── TargetEdited         somebody else changed the mirror
│   ├── TargetTaken          another installation is the holder of this source
│   └── TargetMoved          the target is no longer at the run that this run began from
├── StateError               the state folder: full, missing, not writable
├── RunInProgress            another run of this installation holds the run lock
├── ShadowDiffers            the shadow is not what the target holds
├── DrillFailed              what came back from the target is not what was mirrored
├── DrillStopped             a drill's process ended in the middle of it
└── RestoreError
    ├── NoBackup             the target holds nothing that was asked for
    ├── SourceLive           the bot has the file open
    ├── NotVerified          what was staged is not what was mirrored
    ├── RestorePartly        some files are back, and one or more are not
    ├── NothingToUndo        no replaced files are kept, or none of that name
    └── Cancelled            the person said no
"""

from __future__ import annotations

from mirror.plain_text import shown_lines

EDITED_HINT = (
    "put it right with: ./sidemirror repair (it keeps what was changed); nothing of that file is mirrored until then"
)


class SidemirrorError(Exception):
    """The root: `what` happened and a `hint` that says what to do; `exit_code` is documented in docs/exit-codes.md.

    `meaning` tells what it means for the data. `passing`: it may pass by itself, so people are told only when it lasts.
    """

    exit_code = 1
    meaning = "Something failed that should not. What was mirrored before stays as it is."
    passing = True

    def __init__(self, what: str, hint: str = "") -> None:
        self.what, self.hint = shown_lines(what), shown_lines(hint)  # the name of a file may hold anything
        super().__init__(self.what)

    def __str__(self) -> str:
        return f"{self.what}\n  Try: {self.hint}" if self.hint else self.what


class ConfigError(SidemirrorError):
    exit_code = 2
    meaning = "Nothing is mirrored until the settings are right."
    passing = False


class SourceError(SidemirrorError):
    exit_code = 3
    meaning = "Its mirror stays as it was at the last good run; all other files go on."


class SourceMissing(SourceError):
    pass


class SourceUnreadable(SourceError):
    pass


class SourceBusy(SourceError):
    pass


class SourceCorrupt(SourceError):
    meaning = (
        "It is damaged, or was half written just then. Its mirror is not: it stays as it was at the last good run."
    )


class SourceUnsupported(SourceError):
    meaning = "It cannot be mirrored exactly, so it is not mirrored at all. All other files go on."


class SourceFault(SourceError):
    meaning = "The sidecar itself failed at this file. Its mirror stays as it was; all other files go on."
    passing = False


class Stuck(SourceError):
    exit_code = 17
    meaning = "Runs do not come, or come to no end. A file that is named is set aside; all other files go on."
    passing = False


class GuardHeld(SourceError):
    exit_code = 6
    meaning = "Nothing is lost: the mirror of this file stays as it was until somebody decides. All other files go on."
    passing = False


class TargetError(SidemirrorError):
    exit_code = 4
    meaning = "Nothing new reaches the mirror. What is in it stays, and the bot goes on."


class TargetUnreachable(TargetError):
    exit_code = 4
    meaning = "Nothing new reaches the mirror. The first run that gets through catches up with everything."


class TargetRefused(TargetError):
    exit_code = 5
    meaning = "Nothing new reaches the mirror until somebody changes something. What is in it stays."
    passing = False


class TargetLogin(TargetRefused):
    meaning = (
        "Nothing is tried any more, and nothing new reaches the mirror, until the user or the password is another."
    )


class TargetFull(TargetError):
    exit_code = 5
    meaning = (
        "The mirror stands still. What is in it is safe and can be restored; what is new is on this machine alone."
    )
    passing = False


class TargetExposed(TargetError):
    exit_code = 5
    meaning = "Others could read the mirrored rows. Nothing more is mirrored until that way is closed."
    passing = False


class TargetEdited(TargetError):
    exit_code = 16


class TargetTaken(TargetError):
    exit_code = 14
    meaning = "Nothing is mirrored from here, so that two installations do not write over each other."
    passing = False


class TargetMoved(TargetError):
    exit_code = 4
    meaning = "Another run came between. Nothing was mixed up; the next run starts from what is there."


class StateError(SidemirrorError):
    exit_code = 7
    meaning = "The sidecar cannot remember what it did. Nothing is lost, but runs may fail until there is room."
    passing = False


class RunInProgress(SidemirrorError):
    exit_code = 8
    meaning = "Nothing: the other run does the work."


class ShadowDiffers(SidemirrorError):
    pass


class DrillFailed(SidemirrorError):
    exit_code = 12
    meaning = "A restore would not give back what was mirrored. The bot's files are as they were."
    passing = False


class DrillStopped(SidemirrorError):
    meaning = "Nothing: it is made again."


class RestoreError(SidemirrorError):
    exit_code = 9
    meaning = "Nothing was restored, and nothing in place was touched."
    passing = False


class SourceLive(RestoreError):
    exit_code = 10


class NoBackup(RestoreError):
    exit_code = 11


class NotVerified(RestoreError):
    exit_code = 12


class RestorePartly(RestoreError):
    exit_code = 18
    meaning = "What could be brought back is in place. The files that are named are not touched."


class Cancelled(RestoreError):
    exit_code = 13


class NothingToUndo(RestoreError):
    exit_code = 15
