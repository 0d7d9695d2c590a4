"""The page's variables. It knows no database and no password but its own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, ClassVar

from pydantic import BeforeValidator, Field, SecretStr

from mirror.settings import Environment


def _names(value: Any) -> tuple[str, ...]:
    if isinstance(value, tuple):
        return value
    return tuple(name.lower() for name in str(value).replace(",", " ").split())


class PageSettings(Environment):
    prefixes: ClassVar[tuple[str, ...]] = ("STATUS_", "STATE_")

    state_dir: Path = Path("volumes/state")
    status_address: str = "127.0.0.1"
    status_port: int = Field(default=8080, ge=0, le=65535)
    status_password: SecretStr = SecretStr("")
    status_hosts: Annotated[tuple[str, ...], BeforeValidator(_names)] = ()
