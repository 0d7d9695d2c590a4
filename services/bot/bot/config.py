"""The bot's settings, read once from the environment into one frozen object."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from bot.errors import ConfigError

TELEGRAM = "https://api.telegram.org"
TOKEN_SHAPE = re.compile(r"[0-9]+:[A-Za-z0-9_-]+")

Problems = list[tuple[str, str]]


@dataclass(frozen=True)
class Config:
    """Where the data is, and how to reach the chat."""

    sqlite_dir: Path
    json_dir: Path
    token: str = field(repr=False)
    api_base: str


def read_config(env: Mapping[str, str]) -> Config:
    """The settings of `env`. Raises ConfigError with every problem at once."""
    problems: Problems = []
    config = Config(
        sqlite_dir=_folder(env, "SQLITE_DIR", problems),
        json_dir=_folder(env, "JSON_DIR", problems),
        token=_token(env, problems),
        api_base=_api_base(env, problems),
    )
    if problems:
        raise ConfigError(problems)
    return config


def _folder(env: Mapping[str, str], name: str, problems: Problems) -> Path:
    value = env.get(name, "")
    path = Path(value)
    if not value:
        problems.append((f"{name} is not set", f"set {name} to the folder that holds the data"))
    elif problem := _folder_problem(path):
        problems.append((f"{name}={value!r} {problem[0]}", problem[1]))
    return path


def _folder_problem(path: Path) -> tuple[str, str] | None:
    who = f"{os.geteuid()}:{os.getegid()}"
    try:
        if not path.is_dir():
            problem = "is not a folder" if path.exists() else "does not exist"
            return problem, "create the folder, or mount the volume there"
    except OSError as error:
        return f"cannot be reached by user {who}: {error.strerror}", "open the folders above it to this user"
    if not os.access(path, os.R_OK | os.W_OK | os.X_OK, effective_ids=True):
        return f"cannot be written by user {who}", f"mount it read-write, and chown {who} it"
    return None


def _token(env: Mapping[str, str], problems: Problems) -> str:
    """The token; what is wrong with it is told without it."""
    value, file = env.get("BOT_TOKEN", "").strip(), env.get("BOT_TOKEN_FILE", "").strip()
    if value and file:
        problems.append(("BOT_TOKEN and BOT_TOKEN_FILE are both set", "keep one of them"))
        return value
    if file:
        try:
            value = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            problems.append((f"BOT_TOKEN_FILE={file!r} cannot be read: {why}", "check its path, owner and mode"))
            return value
    if not value:
        problems.append(("there is no token", "set BOT_TOKEN, or BOT_TOKEN_FILE to a file that holds it alone"))
    elif not TOKEN_SHAPE.fullmatch(value):
        problems.append(("the token has not the form 123456:ABC-def", "copy it again from @BotFather"))
    return value


def _api_base(env: Mapping[str, str], problems: Problems) -> str:
    value = env.get("TELEGRAM_API_BASE", "").strip() or TELEGRAM
    try:
        address = urlsplit(value)
        usable = address.scheme in ("http", "https") and address.hostname and not address.query
        _ = address.port
    except ValueError:
        usable = False
    if not usable or "{" in value:
        problems.append(
            (f"TELEGRAM_API_BASE={value!r} is not an address", f"leave it out, or give one such as {TELEGRAM}")
        )
    return value.rstrip("/")
