"""The store's variables, read once. All of them have a default."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from .errors import SettingsError


@dataclass(frozen=True)
class Settings:
    """`webhook_url` is a secret: whoever has it can write into the channel."""

    keep_backups: int = 20
    emergency_dir: Path | None = None
    webhook_url: str | None = field(default=None, repr=False)


def read_settings(env: Mapping[str, str] = os.environ) -> Settings:
    """KEEP_BACKUPS, EMERGENCY_DIR, DISCORD_WEBHOOK_URL or _FILE. Raises SettingsError with every problem at once."""
    problems: list[str] = []
    settings = Settings(
        keep_backups=_keep_backups(env.get("KEEP_BACKUPS", "").strip(), problems),
        emergency_dir=Path(folder) if (folder := env.get("EMERGENCY_DIR", "").strip()) else None,
        webhook_url=_webhook_url(env, problems),
    )
    if problems:
        raise SettingsError("; ".join(problems))
    return settings


def _keep_backups(value: str, problems: list[str]) -> int:
    if not value:
        return Settings.keep_backups
    if not value.isascii() or not value.isdigit() or not 1 <= int(value[:9]) <= 100_000:
        problems.append(f"KEEP_BACKUPS={value!r} is not a number from 1 to 100000")
        return Settings.keep_backups
    return int(value)


def _webhook_url(env: Mapping[str, str], problems: list[str]) -> str | None:
    url = env.get("DISCORD_WEBHOOK_URL", "").strip()
    file = env.get("DISCORD_WEBHOOK_URL_FILE", "").strip()
    if url and file:
        problems.append("DISCORD_WEBHOOK_URL and DISCORD_WEBHOOK_URL_FILE are both set: keep one of them")
        return None
    name = "DISCORD_WEBHOOK_URL"
    if file:
        name = "DISCORD_WEBHOOK_URL_FILE"
        try:
            url = Path(file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            problems.append(f"{name}: {file} cannot be read ({getattr(error, 'strerror', None) or 'not text'})")
            return None
    if url and not _is_web_address(url):
        problems.append(f"{name} is not an address that begins with https:// (it is not shown: it is a secret)")
        return None
    return url or None


def _is_web_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        is_plain = url.isascii() and url.isprintable() and " " not in url
        return parts.scheme in ("http", "https") and bool(parts.hostname) and is_plain
    except ValueError:
        return False
