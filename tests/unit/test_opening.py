"""What lies in a folder that another may write is opened by mirror/safe_files.py alone.

Held over the syntax tree: no module opens, reads, copies or connects by itself, but those named here with the reason.
"""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CALLS = {"open", "read_text", "read_bytes", "copy2", "copyfile", "copytree", "fdopen", "connect"}

OWN_STATE = "a private copy, or a file that the module has made itself in a folder of its own"
CHECKED = "SQLite opens by name; the module asks safe_files.require_files before it"
ALLOWED = {
    "mirror/safe_files.py": "this is it",
    "mirror/locking.py": "a lock, opened without following or waiting, and looked at afterwards",
    "mirror/notes.py": "writes a new file, with O_EXCL",
    "mirror/super_journal.py": "a journal, by its descriptor of safe_files",
    "mirror/inspection.py": OWN_STATE,
    "mirror/rebuild.py": OWN_STATE,
    "mirror/part.py": OWN_STATE,
    "mirror/schema.py": OWN_STATE,
    "mirror/schema_rebuild.py": OWN_STATE,
    "mirror/sqlite_check.py": OWN_STATE,
    "mirror/catalog_install.py": "SQL of the program's own package",
    "mirror/target.py": "connects to Postgres",
    "backup/snapshot.py": CHECKED,
    "backup/here.py": CHECKED,
    "restore/tables.py": CHECKED,
    "restore/now.py": CHECKED,
    "restore/swap.py": CHECKED,
    "restore/replaced.py": OWN_STATE,
    "restore/dry_run.py": OWN_STATE,
    "restore/document_differences.py": "paths that dry_run.py has looked at",
    "restore/sql_dump.py": OWN_STATE,
    "restore/to_sql.py": OWN_STATE,
    "restore/stage.py": OWN_STATE,
    "restore/live.py": "what the kernel tells in /proc",
}


def opening(path: Path) -> set[str]:
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
            ours = isinstance(node.func, ast.Attribute) and ast.unparse(node.func.value) == "safe_files"
            if name in CALLS and not ours:
                found.add(name)
    return found


@pytest.mark.parametrize("package", ["mirror", "restore"])
def test_no_other_module_opens_files_by_itself(package: str) -> None:
    for path in sorted((ROOT / package).rglob("*.py")):
        name = path.relative_to(ROOT).as_posix()
        assert name in ALLOWED or not opening(path), (
            f"{name} opens by itself: {opening(path)}; use mirror/safe_files.py"
        )


READERS = [
    "source",
    "signature",
    "wal",
    "documents",
    "state",
    "taken_back",
    "restores",
    "session",
    "look",
    "edits",
    "watch",
]


@pytest.mark.parametrize("module", READERS)
def test_no_reader_of_the_bots_folders_opens_files_by_itself(module: str) -> None:
    found = opening(ROOT / "backup" / f"{module}.py")
    allowed = {"state": {"fdopen"}, "edits": {"connect"}, "look": {"connect"}}.get(module, set())  # of private copies
    assert found <= allowed


def test_what_is_allowed_is_there() -> None:
    assert [name for name in ALLOWED if not (ROOT / name).is_file()] == []
