"""The restore job's own variables, on top of the shared ones."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, BeforeValidator, ValidationError

from mirror.errors import ConfigError
from mirror.settings import Duration, Settings, load

Partly = Annotated[Literal["stop", "start"], BeforeValidator(str.lower)]


class RestoreSettings(Settings):
    keep_replaced: Duration = timedelta(days=7)
    restore_on_empty: bool = True
    restore_partly: Partly = "stop"
    restore_patience: Duration = timedelta(minutes=2)
    restore_bot_host: str = ""
    restore_bot_state: str = ""  # what the script has seen: running, restarting or paused


class Place(Protocol):
    """Where the bot's files are, and the name of its service if it has one."""

    @property
    def sqlite_dir(self) -> Path: ...
    @property
    def json_dir(self) -> Path: ...
    @property
    def notes_dir(self) -> Path: ...
    @property
    def restore_bot_host(self) -> str: ...
    @property
    def restore_bot_state(self) -> str: ...


class AtStart(BaseModel, frozen=True):
    """What the start of the stack has to know before all else: a wrong setting of the target stops no bot that has data."""

    sqlite_dir: Path = Path("volumes/sqlite")
    json_dir: Path = Path("volumes/json")
    keep_replaced: Duration = timedelta(days=7)
    notes_dir: Path = Path("volumes/notes")
    restore_on_empty: bool = True
    restore_partly: Partly = "stop"
    restore_patience: Duration = timedelta(minutes=2)
    restore_bot_host: str = ""
    restore_bot_state: str = ""


def at_start(environ: Mapping[str, str]) -> AtStart:
    """Raises ConfigError for these; the others are not looked at."""
    given = {name: environ[name.upper()] for name in AtStart.model_fields if environ.get(name.upper())}
    try:
        return AtStart.model_validate(given)
    except ValidationError:
        load(RestoreSettings, environ)  # tells it, with all else that is wrong
        raise ConfigError("the settings do not work", "see .env.example") from None
