"""What the store raises.

ValueError
    UnsavableDataError   the data cannot be kept as JSON; nothing was written
    DamagedFileError     a file is there but holds no document
    SettingsError        a variable has a value that cannot be used
OSError
    SaveFailedError      data.json could not be written; `kept` says where the data is safe all the same
"""

from __future__ import annotations

from pathlib import Path


class UnsavableDataError(ValueError):
    """The data holds something that JSON cannot give back unchanged, or `validate` refuses it. Nothing was written."""


class DamagedFileError(ValueError):
    """The file is there but holds no document that validates. It was left as it is."""


class SettingsError(ValueError):
    """Every wrong variable, with the reason. Secrets are not repeated."""


class SaveFailedError(OSError):
    """`errno` and `strerror` are the disk's own; `kept` is the emergency copy, None when there could be none."""

    def __init__(self, path: Path, cause: OSError, kept: Path | None) -> None:
        super().__init__(cause.errno, cause.strerror or str(cause), str(path))
        self.kept = kept

    def __str__(self) -> str:
        outcome = f"the data is safe in {self.kept}" if self.kept else "no emergency copy could be written either"
        return f"{self.filename} could not be saved ({self.strerror}); {outcome}"
