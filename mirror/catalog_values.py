"""What the catalog says is checked when it is read: whoever owns the target may have written it.

A name becomes a path below one of the bot's folders, a setting becomes part of a PRAGMA, a kind decides what is run.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mirror.errors import TargetEdited
from mirror.plain_text import shown
from mirror.safe_files import SIDE_FILES
from mirror.schema import Pragmas, SchemaRow

# Folders that restore keeps beside the live files; what is in them is not the bot's data.
OUR_FOLDERS = frozenset({"replaced", ".sidemirror"})
_LONGEST = 4096  # PATH_MAX
_HINT = (
    "no run has written that: somebody with the database password changed the catalog. Find out who, change the password, "
    "and take the catalog from a backup of the target"
)


class _Checked(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


class _Row(_Checked):
    type: Literal["table", "index", "view", "trigger"]
    name: str
    tbl_name: str
    sql: str | None


class _Pragmas(_Checked):
    user_version: int = Field(ge=-(2**31), lt=2**32)
    application_id: int = Field(ge=-(2**31), lt=2**32)
    encoding: Literal["UTF-8", "UTF-16le", "UTF-16be"]
    page_size: int = Field(ge=0, le=65536)  # 0: a file without a byte
    auto_vacuum: int = Field(ge=0, le=2)
    journal_mode: Literal["wal", "delete"]


def database_name(name: object) -> str:
    """The name of a database's file, if it can be one. Raises TargetEdited."""
    file = file_name(name)
    if file.endswith(SIDE_FILES):
        raise _edited(f"the database {shown(file)}, which would be another one's side file")
    return file


def file_name(name: object) -> str:
    """A path below the folder that it is of: relative, without steps up, none of our own folders. Raises TargetEdited."""
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST:
        raise _edited("a file without a name")
    steps = name.split("/")
    if "\0" in name or any(step in ("", ".", "..") or step in OUR_FOLDERS for step in steps):
        raise _edited(f"the file {shown(name)}, which is no place below the bot's folder")
    return name


def schema_of(file: str, rows: Any, pragmas: Any) -> tuple[tuple[SchemaRow, ...], Pragmas]:
    """What database_schemas keeps. Raises TargetEdited."""
    try:
        found = tuple(SchemaRow(**_Row.model_validate(row).model_dump()) for row in rows)
        return found, Pragmas(**_Pragmas.model_validate(pragmas).model_dump())
    except (ValidationError, TypeError) as error:
        raise _edited(f"a schema of {shown(file)} that is none") from error


def permissions(mode: object) -> int:
    """Permission bits. Raises TargetEdited."""
    if not isinstance(mode, int) or not 0 <= mode <= 0o7777:
        raise _edited(f"permissions that are none: {shown(str(mode)[:50])}")
    return mode


def _edited(what: str) -> TargetEdited:
    return TargetEdited(f"the target's catalog names {what}", _HINT)
