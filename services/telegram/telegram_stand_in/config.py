"""The stand-in's settings, read once from the environment into one frozen object."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

DEFAULT_TOKEN = "1:stand-in"  # noqa: S105 # opens nothing but this stand-in
DEFAULT_PORT = 8081
DEFAULT_TRAFFIC = 2.0
MOST_TRAFFIC = 5000.0


class ConfigError(Exception):
    """Every problem of the settings, one a line."""


@dataclass(frozen=True)
class Config:
    """Where to listen, whom to let in, and how busy the people are."""

    host: str
    port: int
    control_port: int | None
    """Where tests steer the stand-in; None, the default, is closed."""
    token: str
    traffic: float
    """Actions of all people together per second; 0 is silence."""
    seed: str | None


def read_config(env: Mapping[str, str]) -> Config:
    """The settings of `env`. Raises ConfigError with every problem at once."""
    problems: list[str] = []
    control = env.get("CONTROL_PORT", "").strip()
    config = Config(
        host=env.get("HOST", "").strip() or "127.0.0.1",
        port=_port(env, "PORT", problems),
        control_port=_port(env, "CONTROL_PORT", problems) if control else None,
        token=env.get("BOT_TOKEN", "").strip() or DEFAULT_TOKEN,
        traffic=_traffic(env, problems),
        seed=env.get("BOT_SEED", "").strip() or None,
    )
    if problems:
        raise ConfigError("\n".join(problems))
    return config


def _port(env: Mapping[str, str], name: str, problems: list[str]) -> int:
    value = env.get(name, "").strip()
    if not value:
        return DEFAULT_PORT
    if not (value.isascii() and value.isdigit() and int(value) <= 65535):
        problems.append(f"{name}={value!r} is not a port: give a number from 0 (any that is free) to 65535")
        return DEFAULT_PORT
    return int(value)


def _traffic(env: Mapping[str, str], problems: list[str]) -> float:
    value = env.get("BOT_TRAFFIC", "").strip()
    if not value:
        return DEFAULT_TRAFFIC
    try:
        traffic = float(value)
    except ValueError:
        traffic = math.nan
    if not 0 <= traffic <= MOST_TRAFFIC:  # NaN fails every comparison
        problems.append(
            f"BOT_TRAFFIC={value!r} is not a number of actions per second:"
            f" give a number from 0 (silence) to {MOST_TRAFFIC:.0f}, such as {DEFAULT_TRAFFIC:.0f} or 0.5"
        )
    return traffic
