"""backup and restore import mirror; neither imports the other; mirror imports neither."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ALLOWED = {"mirror": {"mirror"}, "backup": {"backup", "mirror"}, "restore": {"restore", "mirror"}}


def imported(path: Path) -> set[str]:
    """The top packages that a file imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            found.add((node.module or "").split(".")[0])
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            assert node.func.id != "__import__"
    return found


@pytest.mark.parametrize("package", ALLOWED)
def test_a_package_imports_only_what_its_layer_may(package: str) -> None:
    files = sorted((ROOT / package).rglob("*.py"))
    assert files
    for path in files:
        ours = imported(path) & {*ALLOWED, "tests", "services"}
        assert ours <= ALLOWED[package], f"{path} imports {ours - ALLOWED[package]}"


@pytest.mark.parametrize("package", ALLOWED)
def test_a_file_has_at_most_300_lines(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        assert len(path.read_text(encoding="utf-8").splitlines()) <= 300, path
