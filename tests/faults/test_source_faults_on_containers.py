"""Files that are damaged, lost or old: each is refused by name, its mirror stays, and everything else goes on."""

from __future__ import annotations

from collections.abc import Iterable

from ground import Ground
from stack import poll
from test_target_faults import last_run

NAMES = ("truncated", "emptied", "zeroed", "page", "deleted", "older")

MAKE = """
import pathlib, shutil, sqlite3
folder = pathlib.Path("/volumes/sqlite")
pathlib.Path("/volumes/kept").mkdir()
for name in ("truncated", "emptied", "zeroed", "page", "deleted", "older"):
    connection = sqlite3.connect(folder / f"{name}.db")
    connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)")
    connection.executemany("INSERT INTO t (a) VALUES (?)", [("x" * 100,)] * 300)
    connection.commit()
    if name == "older":
        shutil.copyfile(folder / "older.db", "/volumes/kept/older-copy")
    connection.executemany("INSERT INTO t (a) VALUES (?)", [("y" * 100,)] * 700)
    connection.commit()
    connection.close()
    shutil.copyfile(folder / f"{name}.db", f"/volumes/kept/{name}.db")
"""

BREAK = """
import os, pathlib, shutil
folder = pathlib.Path("/volumes/sqlite")
size = (folder / "page.db").stat().st_size
os.truncate(folder / "truncated.db", size // 2)
os.truncate(folder / "emptied.db", 0)
(folder / "zeroed.db").write_bytes(bytes(size))
with (folder / "page.db").open("r+b") as file:
    file.seek(4096 * 3)
    file.write(os.urandom(4096))
(folder / "deleted.db").unlink()
shutil.copyfile("/volumes/kept/older-copy", folder / "older.db")
"""

HEAL = """
import pathlib, shutil
for path in pathlib.Path("/volumes/kept").glob("*.db"):
    shutil.copyfile(path, f"/volumes/sqlite/{path.name}")
"""

REMOVE = """
import pathlib, shutil
for path in pathlib.Path("/volumes/kept").glob("*.db"):
    pathlib.Path(f"/volumes/sqlite/{path.name}").unlink()
shutil.rmtree("/volumes/kept")
"""


def rows(ground: Ground, name: str) -> str:
    return ground.stack.sql(f"SELECT count(*) FROM bot_{name}.t")[0][0]


def told(ground: Ground, names: Iterable[str]) -> bool:
    text = str(ground.alerts())
    return "older messages are left out" in text or all(name in text for name in names)


def test_damaged_lost_and_old_files_are_refused_by_name_and_all_else_goes_on(ground: Ground) -> None:
    ground.python(MAKE)
    ground.well()
    poll("they are mirrored", lambda: [f["mirror"] for f in ground.status()["files"]].count(1000) == len(NAMES))
    ground.forget()

    ground.python(BREAK)
    kinds = {
        "truncated.db": {"SourceCorrupt", "SourceUnreadable"},
        "emptied.db": {"GuardHeld"},
        "zeroed.db": {"SourceCorrupt"},
        "page.db": {"SourceCorrupt"},
        "deleted.db": {"GuardHeld"},
        "older.db": {"GuardHeld"},
    }

    def troubles() -> dict[str, str]:
        return {trouble["subject"]: trouble["kind"] for trouble in ground.known()["troubles"]}

    try:
        poll("all six are told", lambda: set(troubles()) >= set(kinds))
        found = troubles()
        assert {name: kind for name, kind in found.items() if kind not in kinds[name]} == {}
        assert ground.status()["safe"] is False
        assert ground.backup().returncode in (3, 6)
        poll("alerts name them, or say that they are more than one message has room for", lambda: told(ground, kinds))
        assert {name: rows(ground, name) for name in NAMES} == dict.fromkeys(NAMES, "1000")
        before = last_run(ground)
        poll("the bot's files go on", lambda: last_run(ground) > before)
    finally:
        ground.python(HEAL)
    ground.well()
    ground.alerted("well again")
    ground.equal()

    ground.python(REMOVE)
    poll("they are held", lambda: set(troubles()) >= set(kinds))
    assert ground.stack.script("accept", check=False).returncode == 0
    ground.well()
