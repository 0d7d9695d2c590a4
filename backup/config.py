"""The sidecar's own variables, on top of the shared ones."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Any, Literal

from pathspec import GitIgnoreSpec
from pydantic import BeforeValidator, ByteSize, InstanceOf, SecretStr, TypeAdapter, field_validator

from backup.address import Address, addresses
from mirror.retention import Rule, parse_rules
from mirror.settings import Duration, Settings, parse_duration


def _duration_or_none(text: Any) -> timedelta:
    """A duration, or 0 without a unit."""
    return timedelta() if str(text).strip() == "0" else parse_duration(text)


DurationOrNone = Annotated[timedelta, BeforeValidator(_duration_or_none)]


def _share(value: Any) -> Any:
    """`50%` as 0.5; `off` as None."""
    if value is None or isinstance(value, float):
        return value
    text = str(value).strip().lower()
    if text == "off":
        return None
    number = text.removesuffix("%")
    if not number.isdigit() or not 0 < int(number) <= 100:
        raise ValueError("is a share from 1% to 100%, or off")
    return int(number) / 100


def _duration_or_off(value: Any) -> Any:
    return None if value is None or str(value).strip().lower() == "off" else parse_duration(value)


def _size_or_off(value: Any) -> Any:
    """`off` as None; at least a megabyte, because a share of nothing is no pause."""
    if value is None or str(value).strip().lower() == "off":
        return None
    size = TypeAdapter(ByteSize).validate_python(value)
    if size < 1_000_000:
        raise ValueError("is a size of at least 1MB, or off")
    return size


def _patterns(value: Any) -> GitIgnoreSpec:
    """Patterns with commas between them; `off` as none."""
    if isinstance(value, GitIgnoreSpec):
        return value
    text = str(value).strip()
    return GitIgnoreSpec.from_lines([] if text.lower() == "off" else [part.strip() for part in text.split(",")])


Patterns = Annotated[GitIgnoreSpec, BeforeValidator(_patterns), InstanceOf[GitIgnoreSpec]]


# The five-layer store's own copies (services/bot/bot_modules) are left out: they are local layers of the same document.
_JSON_GLOB = "*.json,!backups/**,!*.emergency.json"

# Copies that bots keep of their own databases, what they put aside as damaged, and what they are just making. JSON files are
# chosen by JSON_GLOB.
_EXCLUDE = (
    "backups/**,*.bak,*.bak[0-9._-]*,*[._-]bak[._-]*,*.backup,*[._-]backup[._-][0-9]*,*.old,*.orig,"
    "*.db.[0-9]*,*.sqlite.[0-9]*,*.sqlite3.[0-9]*,*[._-]corrupt,*[._-]corrupt[._-]*,"
    "*.tmp,*.tmp.*,*.temp,*.temp.*,*.staging,*.staging.*,!*.json"
)


class BackupSettings(Settings):
    prefixes = (
        *Settings.prefixes,
        "BACKUP_",
        "TARGET_",
        "JSON_",
        "EXCLUDE",
        "TRANSIENT",
        "DOCUMENT_",
        "GUARD_",
        "DRILL_",
        "RETENTION",
        "LOG_",
        "ALERT_",
        "HEARTBEAT_",
        "MIN_INTERVAL",
    )

    json_glob: Patterns = _patterns(_JSON_GLOB)
    exclude: Patterns = _patterns(_EXCLUDE)
    transient: Patterns = _patterns("off")
    document_limit: ByteSize = ByteSize(256_000_000)
    backup_every: Duration = timedelta(hours=6)
    backup_on_change: bool = True
    min_interval: DurationOrNone = timedelta(seconds=1)
    drill_every: Annotated[timedelta | None, BeforeValidator(_duration_or_off)] = timedelta(days=1)
    drill_budget: Annotated[ByteSize | None, BeforeValidator(_size_or_off)] = ByteSize(1_000_000_000)
    guard_shrink: Annotated[float | None, BeforeValidator(_share)] = 0.5
    guard_gone: Annotated[Literal["hold", "follow"], BeforeValidator(str.lower)] = "hold"
    target_size_limit: ByteSize = ByteSize(500_000_000)
    retention: Annotated[tuple[Rule, ...], BeforeValidator(parse_rules)] = parse_rules(
        "all:1h,minutely:24h,hourly:7d,daily:30d"
    )
    log_level: Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(str.lower)] = "info"
    # Whoever has one of these can write in the sidecar's name, so they are secrets.
    alert_urls: SecretStr = SecretStr("")
    discord_webhook_url: SecretStr = SecretStr("")
    alert_after: Duration = timedelta(minutes=5)
    heartbeat_url: SecretStr = SecretStr("")

    @property
    def alert_addresses(self) -> tuple[Address, ...]:
        """Where alerts go, the Discord webhook first."""
        return addresses(self.discord_webhook_url.get_secret_value(), self.alert_urls.get_secret_value())

    @field_validator("alert_urls", "discord_webhook_url")
    @classmethod
    def _alert_urls(cls, value: SecretStr) -> SecretStr:
        for address in addresses("", value.get_secret_value()):
            if not re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://\S+", address.url):
                raise ValueError(
                    f"entry {address.number} is no address such as https://discord.com/api/webhooks/… or "
                    "mailtos://…; separate several by spaces (none is shown here: they are secrets)"
                )
        return value

    @field_validator("heartbeat_url")
    @classmethod
    def _heartbeat_url(cls, value: SecretStr) -> SecretStr:
        url = value.get_secret_value()
        if url and not re.fullmatch(r"https?://[^\s/]+(/\S*)?", url):
            raise ValueError("give an address that begins with https:// (it is not shown here: it is a secret)")
        return value
