"""The restore job as a process of its own, and the bot's files as an oracle sees them."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import oracle
from fix_source import Source

Result = subprocess.CompletedProcess[str]

BOT = """
PRAGMA journal_mode = {mode};
CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT, b UNIQUE);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300)
INSERT INTO t SELECT i, 'row ' || i, i * 1.5 FROM n;
CREATE TABLE k (x TEXT, y INTEGER, v BLOB, PRIMARY KEY (x, y)) WITHOUT ROWID;
INSERT INTO k VALUES ('a', 1, x'00ff'), ('b', -9223372036854775808, NULL), ('c', 3, 'text');
CREATE INDEX i ON t (a DESC);
"""


def fill(source: Source, mode: str = "DELETE", file: str = "bot.db") -> None:
    source.write(BOT.format(mode=mode), file)


def fill_all(source: Source) -> None:
    """Two databases, one of them in WAL mode and in a subfolder, and two documents."""
    (source.sqlite / "sub").mkdir(exist_ok=True)
    (source.json / "sub").mkdir(exist_ok=True)
    fill(source)
    fill(source, "WAL", "sub/wal.db")
    (source.json / "data.json").write_bytes(b'{"a": 1,\n "b": "\xc3\xa9"}\n')
    (source.json / "sub" / "more.json").write_bytes(b"[]")


def restore(source: Source, *arguments: str, **environ: str) -> Result:
    """`python -m restore` without a terminal."""
    return subprocess.run(
        [sys.executable, "-m", "restore", *arguments],
        env=source.process_environ | {"PYTHONUNBUFFERED": "1"} | environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
    )


def restored(source: Source, *arguments: str) -> Result:
    """The same, and it has to end well."""
    result = restore(source, *arguments)
    assert result.returncode == 0, result.stdout + result.stderr
    return result


def files_below(folder: Path) -> dict[str, Path]:
    """Everything that is the bot's: not what restore keeps aside or stages."""
    return {
        path.relative_to(folder).as_posix(): path
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.relative_to(folder).parts[0] not in ("replaced", ".sidemirror")
    }


def content(source: Source, scratch: Path) -> dict[str, Any]:
    """What each database and document holds now, read from copies of the files."""
    scratch.mkdir()
    return contents_of(source.sqlite, source.json, scratch)


def contents_of(sqlite: Path, json: Path, scratch: Path) -> dict[str, Any]:
    found: dict[str, Any] = {name: path.read_bytes() for name, path in files_below(json).items()}
    for name, path in files_below(sqlite).items():
        if name.endswith(".db"):
            found[name] = described(path, scratch / hashlib.sha256(name.encode()).hexdigest())
    return found


def described(path: Path, copy: Path) -> dict[str, Any]:
    """The oracle's word on a copy of a database and its side files, after SQLite has taken them in."""
    for suffix in ("", "-wal", "-journal"):
        side = Path(f"{path}{suffix}")
        Path(f"{copy}{suffix}").unlink(missing_ok=True)
        if side.exists():
            Path(f"{copy}{suffix}").write_bytes(side.read_bytes())
    recovered = sqlite3.connect(copy)
    recovered.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    recovered.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    recovered.close()
    assert oracle.integrity(copy) == []
    return oracle.describe(copy)


def fingerprint(source: Source) -> dict[str, tuple[int, bytes]]:
    """Inode and bytes of each of the bot's files: equal only if nobody touched them."""
    files = files_below(source.sqlite) | files_below(source.json)
    return {name: (path.stat().st_ino, path.read_bytes()) for name, path in files.items() if not name.endswith("-shm")}


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
for statement in sys.argv[2:]:
    connection.execute(statement).fetchall()
print("ready", flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process(path: Path, *statements: str) -> Iterator[subprocess.Popen[str]]:
    """A process with an open connection, after these statements; killed at the end, as a crashing bot is."""
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), *statements],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


# A restore that is killed before a file comes to this place.
KILLED_BEFORE_RENAME = """
import os, runpy, signal, sys
place = sys.argv.pop(1)
def hook(event, arguments):
    if event == "os.rename" and os.fspath(arguments[1]) == place:
        os.kill(os.getpid(), signal.SIGKILL)
sys.addaudithook(hook)
sys.argv[0] = "restore"
runpy.run_module("restore", run_name="__main__")
"""


def killed(source: Source, script: str, argument: object, *arguments: str) -> bool:
    """Whether the restore (`--yes`, unless told otherwise) was killed before it came to its end."""
    result = subprocess.run(
        [sys.executable, "-c", script, str(argument), *(arguments or ["--yes"])],
        env=source.process_environ,
        capture_output=True,
        text=True,
    )
    assert result.returncode in (-9, 0), result.stderr
    return result.returncode == -9


def poll(what: str, look: Callable[[], Any], seconds: float = 120) -> Any:
    """The first true outcome of `look`; an AssertionError that says `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while not (outcome := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        time.sleep(0.05)
    return outcome
