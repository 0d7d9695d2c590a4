"""Writes docs/variables.md from .env.example, the compose files and the settings classes: python docs/variables.py."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from pydantic import SecretStr  # noqa: E402

from backup.config import BackupSettings  # noqa: E402
from backup.page.config import PageSettings  # noqa: E402
from mirror.settings import Settings  # noqa: E402

_LINE = re.compile(r"#?([A-Z][A-Z_]*)=(.*)")

# What each is, where the class does not say it in a person's words.
_TYPES = {
    "BACKUP_EVERY": "duration: s, m, h, d, w",
    "BACKUP_ON_CHANGE": "on or off",
    "MIN_INTERVAL": "duration, or 0",
    "RETENTION": "rules: name:duration",
    "GUARD_SHRINK": "percent, or off",
    "RESTORE_PARTLY": "stop or start",
    "GUARD_GONE": "hold or follow",
    "JSON_GLOB": "patterns",
    "EXCLUDE": "patterns, or off",
    "TRANSIENT": "patterns, or off",
    "DRILL_EVERY": "duration, or off",
    "DRILL_BUDGET": "bytes: MB, GB, or off",
    "TARGET_SIZE_LIMIT": "bytes: MB, GB",
    "DOCUMENT_LIMIT": "bytes: MB, GB",
    "BOT_TRAFFIC": "actions per second",
    "BOT_TOKEN": "secret",
    "BOT_TOKEN_FILE": "file",
    "TELEGRAM_API_BASE": "address",
    "BOT_UID": "number above 0",
    "BOT_GID": "number above 0",
    "STATUS_PASSWORD": "secret",
    "STATUS_PORT": "port",
    "STATUS_HOSTS": "names",
    "STAND_IN_PORT": "port",
    "STAND_IN_POOLER_PORT": "port",
    "SUPABASE_DB_PORT": "port",
    "BOT_IMAGE": "image",
    "KEEP_BACKUPS": "number",
    "EMERGENCY_DIR": "folder",
    "DISCORD_WEBHOOK_URL": "secret",
    "DISCORD_WEBHOOK_URL_FILE": "file",
    "SIDEMIRROR_VOLUMES": "folder",
    "SIDEMIRROR_TAG": "word",
    "SIDEMIRROR_CA_BUNDLE": "file",
    "SUPABASE_DB_SSLROOTCERT": "file",
    "SUPABASE_DB_SSLMODE": "one of the names",
    "SUPABASE_DB_PASSWORD": "secret",
    "LOG_LEVEL": "one of the names",
    "LOG_FORMAT": "one of the names",
    "ALERT_URLS": "secret",
    "ALERT_URLS_FILE": "file",
    "ALERT_AFTER": "duration",
    "HEARTBEAT_URL": "secret",
    "HEARTBEAT_URL_FILE": "file",
    "STATUS_ADDRESS": "address",
    "SQLITE_DIR": "folder",
    "JSON_DIR": "folder",
    "STATE_DIR": "folder",
    "NOTES_DIR": "folder",
}

_MEANINGS = {
    "SOURCE_NAME": "The source's name: the mirror's schemas begin with it.",
    "SQLITE_DIR": "The bot's databases. In the containers: /data/sqlite.",
    "JSON_DIR": "The bot's documents. In the containers: /data/json.",
    "NOTES_DIR": "What restores tell the sidecar, out of the bot's reach. In the containers: /notes.",
    "STATE_DIR": "The sidecar's own. In the containers: /state.",
    "STATUS_ADDRESS": "The address that the page listens on.",
}

_HEAD = """# Every variable

Made by `python docs/variables.py` from `.env.example` and the programs; a test holds them together. A name that nothing
reads is an error of the programs, or a warning of `./sidemirror up`, so that a typing error is not passed over.
"""

_PROGRAMS = """
## The programs without containers

`python -m backup` and `python -m restore` read these from the environment. The password can also stand in a file that
`SUPABASE_DB_PASSWORD_FILE` names. Durations can be sums: `1h30m`.
"""

_TABLE = "\n| variable | type or unit | default | meaning |\n| --- | --- | --- | --- |"


@dataclass(frozen=True)
class Variable:
    name: str
    default: str
    meaning: str


def env_example() -> list[tuple[str, list[Variable]]]:
    """The sections of .env.example, each with its variables."""
    sections: list[tuple[str, list[Variable]]] = []
    comment: list[str] = []
    for line in (ROOT / ".env.example").read_text(encoding="utf-8").splitlines()[2:]:
        found = _LINE.fullmatch(line)
        if found:
            sections[-1][1].append(Variable(found[1], found[2], " ".join(comment)))
            comment = []
        elif line.startswith("# ---"):
            if comment:
                sections.append((comment[0].split(". ")[0].rstrip("."), []))
            comment = []
        elif line.startswith("# "):
            comment.append(line[2:])
        else:
            comment = []
    return [section for section in sections if section[1]]


def compose_names() -> set[str]:
    """What the compose files interpolate or hand on, without what a container is given as a fixed value."""
    names: set[str] = set()
    for path in (ROOT / "docker-compose.yml", *sorted((ROOT / "services/compose").glob("*.yml"))):
        text = "\n".join(
            line for line in path.read_text(encoding="utf-8").splitlines() if not line.strip().startswith("#")
        )
        names |= set(re.findall(r"\$\{([A-Z_]+)", text)) | set(re.findall(r"^ +([A-Z_]+):$", text, re.M))
    return names


def text() -> str:
    """The page."""
    lines = [_HEAD]
    known: dict[str, Variable] = {}
    for section, variables in env_example():
        lines.append(f"## {section}\n{_TABLE}")
        for variable in variables:
            known[variable.name] = variable
            lines.append(_row(variable.name, variable.default, variable.meaning))
        lines.append("")
    lines.append(_PROGRAMS.strip("\n"))
    shared = Settings.model_fields
    own = {name: field for name, field in BackupSettings.model_fields.items() if name not in shared}
    page = {name: field for name, field in PageSettings.model_fields.items() if name not in shared}
    groups = (("Both", shared), ("Only `python -m backup`", own), ("Only `python -m backup.page`", page))
    for heading, fields in groups:
        lines.append(f"\n{heading}:\n{_TABLE}")
        for name, field in fields.items():
            variable = known.get(name.upper(), Variable(name.upper(), "", ""))
            meaning = _MEANINGS.get(variable.name, variable.meaning)
            lines.append(_row(variable.name, _default(field.default, variable.default), meaning))
    return "\n".join(lines) + "\n"


def _row(name: str, default: str, meaning: str) -> str:
    told = f"`{default}`" if default else ""
    return f"| `{name}` | {_TYPES.get(name, 'text')} | {told} | {meaning.replace('|', '/')} |"


def _default(value: Any, example: str) -> str:
    """The class's own default where it is text, a path or a port; otherwise as .env.example writes it."""
    if isinstance(value, str | Path) or (isinstance(value, int) and value < 65536):
        return str(value)
    return "" if value is None or isinstance(value, SecretStr) else example


if __name__ == "__main__":
    (ROOT / "docs/variables.md").write_text(text(), encoding="utf-8")
