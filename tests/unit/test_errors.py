"""Every error says what happened and what to do."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path

import pytest

import backup
import mirror
from mirror import errors
from mirror.errors import SidemirrorError

ROOT = Path(__file__).parents[2]
PACKAGES = ("mirror", "backup", "restore")


def every_error() -> set[type[SidemirrorError]]:
    for package in (mirror, backup):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            if not module.name.endswith("__main__"):
                importlib.import_module(module.name)
    found, waiting = set(), [SidemirrorError]
    while waiting:
        kind = waiting.pop()
        found.add(kind)
        waiting += kind.__subclasses__()
    return found


def test_an_error_shows_what_and_what_to_do() -> None:
    for kind in every_error():
        error = kind("it is broken", "mend it")
        assert (error.what, error.hint) == ("it is broken", "mend it")
        assert str(error) == "it is broken\n  Try: mend it"
        assert 0 < error.exit_code < 126


def test_the_drawing_at_the_top_names_every_error() -> None:
    drawn = errors.__doc__ or ""
    for name, kind in inspect.getmembers(errors, inspect.isclass):
        assert name in drawn, name
        assert kind.__mro__[-4:-3] or kind is SidemirrorError


def raises(path: Path) -> list[ast.Call]:
    kinds = {kind.__name__ for kind in every_error()}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    return [call for call in calls if isinstance(call.func, ast.Name) and call.func.id in kinds]


@pytest.mark.parametrize("package", PACKAGES)
def test_every_error_is_made_with_a_hint(package: str) -> None:
    for path in sorted((ROOT / package).glob("*.py")):
        for call in raises(path):
            starred = any(isinstance(argument, ast.Starred) for argument in call.args)
            assert starred or len(call.args) == 2, f"{path.name}:{call.lineno} has no hint"
