"""The bot's settings, read once from the environment into one frozen object."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.errors import ConfigError

DEFAULT_TRAFFIC = 2.0
MOST_TRAFFIC = 5000.0
LONGEST_SEED = 100

Problems = list[tuple[str, str]]


@dataclass(frozen=True)
class Config:
    """Where the data is, and how much traffic to make of it."""

    sqlite_dir: Path
    json_dir: Path
    traffic: float
    """Actions per second; 0 is idle but alive."""
    seed: str | None
    """Makes the traffic repeatable; None chooses one at each start."""


def read_config(env: Mapping[str, str]) -> Config:
    """The settings of `env`. Raises ConfigError with every problem at once."""
    problems: Problems = []
    config = Config(
        sqlite_dir=_folder(env, "SQLITE_DIR", problems),
        json_dir=_folder(env, "JSON_DIR", problems),
        traffic=_traffic(env, problems),
        seed=_seed(env, problems),
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


def _traffic(env: Mapping[str, str], problems: Problems) -> float:
    value = env.get("BOT_TRAFFIC", "").strip()
    if not value:
        return DEFAULT_TRAFFIC
    try:
        traffic = float(value)
    except ValueError:
        traffic = math.nan
    if not 0 <= traffic <= MOST_TRAFFIC:  # NaN fails every comparison
        problems.append(
            (
                f"BOT_TRAFFIC={value!r} is not a number of actions per second",
                f"give a number from 0 (idle) to {MOST_TRAFFIC:.0f}, such as {DEFAULT_TRAFFIC:.0f} or 0.5",
            )
        )
    return traffic


def _seed(env: Mapping[str, str], problems: Problems) -> str | None:
    value = env.get("BOT_SEED", "").strip()
    if len(value) > LONGEST_SEED:
        problems.append(
            (
                f"BOT_SEED is {len(value)} characters long",
                f"give any text of {LONGEST_SEED} characters or fewer, or leave it out",
            )
        )
    return value or None
