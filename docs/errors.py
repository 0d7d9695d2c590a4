"""Writes docs/errors.md from the programs, each error with what it means and what to do: python docs/errors.py."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import backup  # noqa: E402
import mirror  # noqa: E402
import restore  # noqa: E402
from backup.outcome import Outcome  # noqa: E402
from backup.wrong import Known, Wrong, kind_of, wrong_now  # noqa: E402
from mirror.errors import ConfigError, RestoreError, SidemirrorError  # noqa: E402
from mirror.target_words import BY_WORDS  # noqa: E402

_HEAD = """# Every error and alert, and what to do

Made by `python docs/errors.py` from the programs; a test holds them together. The name is the one in `status --json` and
in `events.jsonl`; "…" stands for a name or a number. Each error is told with its remedy, so this page is for reading ahead.

An alert comes at once for what needs a person, and after `ALERT_AFTER` for what may pass by itself ([alerts.md](alerts.md)).
"""

_WHEN = {True: "after a while, if it lasts", False: "at once"}

_OWN = """
## Alerts that no run reports

The watch finds them in what the sidecar knows of itself.
"""


def classes(root: type[SidemirrorError] = SidemirrorError) -> list[type[SidemirrorError]]:
    """Every kind of error in the programs, a parent before its children, by name."""
    for package in (mirror, backup, restore):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    children = sorted(root.__subclasses__(), key=lambda child: child.__name__)
    return [root, *(one for child in children for one in classes(child))]


def raised() -> dict[str, list[tuple[str, str]]]:
    """By the error's name: what it says and what it recommends, wherever the programs make one with both in words."""
    names = {kind.__name__ for kind in classes()}
    found: dict[str, list[tuple[str, str]]] = {}
    for folder in ("mirror", "backup", "restore"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names:
                    told = [_words(argument) for argument in node.args]
                    if len(told) == 2 and told[0]:
                        found.setdefault(node.func.id, []).append((told[0], told[1] or ""))
    for _, kind, what, hint in BY_WORDS:
        found.setdefault(kind.__name__, []).append((re.sub(r"{\w+}", "…", what), re.sub(r"{\w+}", "…", hint)))
    return found


def _words(node: ast.expr) -> str | None:
    """The text of a literal; None for anything that is put together elsewhere."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.JoinedStr):
        return "".join(_words(part) or "…" for part in node.values)
    return None


def own() -> list[Wrong]:
    """One of each kind that the watch finds."""
    now = datetime(2026, 1, 1, tzinfo=UTC)
    at = now.isoformat(timespec="seconds")
    late = (now - timedelta(days=1)).isoformat(timespec="seconds")
    cases = (
        (Outcome(equal_at=late, tried_at=late), None),
        (Outcome(equal_at=at, tried_at=late, next_at=late), None),
        (Outcome(equal_at=at, tried_at=at, target_bytes=450_000_000), None),
        (Outcome(equal_at=at, tried_at=at), 10_000_000),
    )
    return [one for known, free in cases for one in wrong_now(Known(known, now, 3600, 500_000_000, free), now)]


def text() -> str:
    """The page."""
    messages = raised()
    lines = [_HEAD]
    for kind in classes():
        told = "" if issubclass(kind, ConfigError | RestoreError) else f"; an alert comes {_WHEN[kind.passing]}"
        lines.append(f"## {kind.__name__}\n\n{kind.meaning} Exit code {kind.exit_code}{told}.")
        lines.append(_table(sorted(set(messages.get(kind.__name__, [])))))
    lines.append(_OWN)
    for wrong in own():
        lines.append(f"### {wrong.kind}\n\n{kind_of(wrong.kind).meaning}")
        lines.append(_table([(wrong.what, wrong.hint)]))
    return "\n".join(lines).rstrip("\n") + "\n"


def _table(rows: list[tuple[str, str]]) -> str:
    if not rows:
        return ""
    body = "\n".join(f"| {_cell(what)} | {_cell(hint)} |" for what, hint in rows)
    return f"\n| what it says | what to do |\n| --- | --- |\n{body}\n"


def _cell(words: str) -> str:
    return re.sub(r"\s+", " ", words).replace("|", "/").strip() or "-"


if __name__ == "__main__":
    (ROOT / "docs/errors.md").write_text(text(), encoding="utf-8")
