"""What both programs read from the environment: which source, where its files are, which target.

Every problem is reported together, each with its variable, the reason and the fix.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar

from pydantic import BeforeValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from mirror import safe_files
from mirror.errors import ConfigError

_DURATION = re.compile(r"([0-9]+)([smhdw])")
_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800}
_LONGEST_SECONDS = 100 * 366 * 86400
_NOT_OURS = frozenset({"SQLITE_TMPDIR"})  # SQLite's own, https://www.sqlite.org/tempfiles.html
_HOST = re.compile(r"[A-Za-z0-9._-]+|[0-9A-Fa-f:]+|/.*")
_USER = re.compile(r"[^\s:/@]+")
_SAFE_WITHOUT_TLS = re.compile(r"localhost|127(\.[0-9]{1,3}){3}|::1|/.*")


def parse_duration(text: object) -> timedelta:
    """`6h`, `30m`, `45s`, `1d`, `2w` or a sum such as `1h30m`; raises ValueError for anything else."""
    if isinstance(text, timedelta):
        return text
    compact = str(text).strip().lower().replace(" ", "")
    if not re.fullmatch(r"([0-9]{1,9}[smhdw])+", compact):
        raise ValueError("write a number and a unit: 45s, 30m, 6h, 1d")
    seconds = sum(int(number) * _SECONDS[unit] for number, unit in _DURATION.findall(compact))
    if seconds == 0:
        raise ValueError("must be longer than 0")
    if seconds > _LONGEST_SECONDS:
        raise ValueError("must not be longer than 100 years")
    return timedelta(seconds=seconds)


def is_this_machine(host: str) -> bool:
    """Whether what is sent there leaves no machine, so that it needs no TLS."""
    return _SAFE_WITHOUT_TLS.fullmatch(host) is not None


Duration = Annotated[timedelta, BeforeValidator(parse_duration)]


class Environment(BaseSettings):
    """What a program reads from its environment. Frozen; printing it shows no secret."""

    # What begins so is ours, and a name among them that is not known is an error.
    prefixes: ClassVar[tuple[str, ...]] = ()

    model_config = SettingsConfigDict(frozen=True, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the names are pydantic's
        init_settings: PydanticBaseSettingsSource,
        *_: Any,
        **__: Any,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what `load` hands over: it has looked at the whole environment, and at nothing else."""
        return (init_settings,)


class Settings(Environment):
    """The variables that backup and restore share."""

    prefixes: ClassVar[tuple[str, ...]] = (
        "SUPABASE_",
        "RESTORE_",
        "SOURCE_",
        "SQLITE_",
        "JSON_DIR",
        "STATE_",
        "NOTES_",
        "LOG_FORMAT",
    )

    source_name: str = "bot"
    sqlite_dir: Path = Path("volumes/sqlite")
    json_dir: Path = Path("volumes/json")
    state_dir: Path = Path("volumes/state")
    notes_dir: Path = Path("volumes/notes")
    supabase_db_host: str = "localhost"
    supabase_db_port: int = Field(default=5432, ge=1, le=65535)
    supabase_db_name: str = "postgres"
    supabase_db_user: str = "postgres"
    supabase_db_password: SecretStr = SecretStr("")
    supabase_db_sslmode: str = "verify-full"
    supabase_db_sslrootcert: Path | None = None
    log_format: Annotated[Literal["text", "json"], BeforeValidator(str.lower)] = "text"

    @field_validator("source_name")
    @classmethod
    def _source_name(cls, value: str) -> str:
        if not re.fullmatch(r"[a-z][a-z0-9_]{0,30}", value):
            raise ValueError("use a lower-case letter, then letters, digits or _, 31 at the most: bot, my_bot2")
        if re.match(r"(pg|supabase)(_|$)", value):
            raise ValueError("Postgres and Supabase keep schemas that begin with pg_ and supabase_ for themselves")
        return value

    # A whole connection string is easily pasted into these, with the password in it; so their values are not repeated.
    @field_validator("supabase_db_host")
    @classmethod
    def _host(cls, value: str) -> str:
        if not _HOST.fullmatch(value):
            raise ValueError("give the host's name alone, without user, password or port: db.<project ref>.supabase.co")
        return value

    @field_validator("supabase_db_user", "supabase_db_name")
    @classmethod
    def _user(cls, value: str) -> str:
        if not _USER.fullmatch(value):
            raise ValueError("give the name alone, without password or host")
        return value

    @field_validator("supabase_db_sslmode")
    @classmethod
    def _sslmode(cls, value: str) -> str:
        modes = ("verify-full", "verify-ca", "require", "prefer", "allow", "disable")
        if value not in modes:
            raise ValueError(f"is one of {', '.join(modes)}; verify-full is the safe one")
        return value

    @model_validator(mode="after")
    def _tls(self) -> Settings:
        weak = self.supabase_db_sslmode in ("prefer", "allow", "disable")
        if weak and not is_this_machine(self.supabase_db_host):
            raise ValueError(
                f"SUPABASE_DB_SSLMODE: {self.supabase_db_sslmode} would send your data to {self.supabase_db_host} "
                "where others can read it; set verify-full (with SUPABASE_DB_SSLROOTCERT) or at least require"
            )
        if self.supabase_db_sslmode.startswith("verify"):
            if self.supabase_db_sslrootcert is None:
                raise ValueError(
                    f"SUPABASE_DB_SSLROOTCERT: {self.supabase_db_sslmode} needs the CA's certificate file; download it in "
                    "Supabase under Settings, Database, SSL configuration, and give its path"
                )
            if not self.supabase_db_sslrootcert.is_file():
                raise ValueError(
                    f"SUPABASE_DB_SSLROOTCERT: there is no file {self.supabase_db_sslrootcert}; put the CA's "
                    "certificate into volumes/ca (Supabase: Settings, Database, SSL configuration)"
                )
        return self


AnySettings = TypeVar("AnySettings", bound=Environment)


def load(settings: type[AnySettings], environ: Mapping[str, str] | None = None) -> AnySettings:
    """Reads the settings from the environment.

    Raises ConfigError with one line for each problem: unknown names, values that do not fit, secrets given twice,
    secret files that cannot be read.
    """
    environ = os.environ if environ is None else environ
    known = {name.upper() for name in settings.model_fields}
    secrets = {name.upper() for name, field in settings.model_fields.items() if field.annotation is SecretStr}
    values: dict[str, Any] = {key.lower(): environ[key] for key in known if environ.get(key)}
    problems = _unknown(environ, settings.prefixes, known | {f"{name}_FILE" for name in secrets})
    for name in sorted(secrets):
        _read_secret_file(name, environ, values, problems)
    try:
        loaded = settings.model_validate(values)
    except ValidationError as error:
        problems += [_problem(dict(detail)) for detail in error.errors(include_input=False, include_url=False)]
    if problems:
        what = "The settings do not work:\n" + "\n".join(f"  - {problem}" for problem in problems)
        raise ConfigError(what, "correct these variables in .env (every one is described in .env.example)")
    return loaded


def _unknown(environ: Mapping[str, str], prefixes: tuple[str, ...], known: set[str]) -> list[str]:
    problems = []
    for name in sorted(environ):
        if not name.startswith(prefixes) or name in known or name in _NOT_OURS:
            continue
        near = difflib.get_close_matches(name, sorted(known), 1)
        problems.append(f"{name}: there is no such variable; " + (f"did you mean {near[0]}?" if near else "remove it"))
    return problems


def _read_secret_file(name: str, environ: Mapping[str, str], values: dict[str, Any], problems: list[str]) -> None:
    path = environ.get(f"{name}_FILE")
    if not path:
        return
    if environ.get(name):
        problems.append(f"{name}: given twice, as {name} and as {name}_FILE; keep one of them")
        return
    try:
        values[name.lower()] = safe_files.read_given(Path(path)).strip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        problems.append(
            f"{name}_FILE: no file can be read there ({reason}); give the path of a file that holds the secret, not "
            "the secret"
        )


def _problem(detail: dict[str, Any]) -> str:
    reason = str(detail["msg"]).removeprefix("Value error, ")
    name = ".".join(str(part) for part in detail["loc"]).upper()
    return f"{name}: {reason}" if name else reason
