"""Where faults are tried: a whole Sidemirror with its bot writing, and somebody who gets its alerts."""

from __future__ import annotations

import json
import os
import re
import shutil
from typing import Any
from uuid import uuid4

from stack import TAG, Result, Stack, poll, run

TEST_IMAGE = f"sidemirror/test:{TAG}"
LABEL = ("--label", os.environ.get("SIDEMIRROR_TEST_PROJECT", "sidemirror-faults"))
SMALL_STATE = "docker-compose.yml:tests/faults/small-state.yml"

# A webhook: each message is a line of /got/alerts.
HOOK = """
from http.server import BaseHTTPRequestHandler, HTTPServer
class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with open("/got/alerts", "ab") as file:
            file.write(body.replace(b"\\n", b" ") + b"\\n")
        self.send_response(200)
        self.end_headers()
    do_GET = do_POST
HTTPServer(("", 8080), Handler).serve_forever()
"""

# Copies what the bot has, at rest or stopped in mid-air: the last connection to a copy takes its WAL in. Ends with 3 when it
# was stopped inside a transaction: what it has written of that to the WAL is in a copy, but nobody sees it there yet.
COPY = """
import pathlib, shutil, sqlite3, sys
source, copy = map(pathlib.Path, sys.argv[1:])
for path in sorted(source.rglob("*.db")):
    connection = sqlite3.connect(path, timeout=0, isolation_level=None)
    try:
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
            raise
        sys.exit(3)
    connection.close()
for path in sorted(source.rglob("*")):
    if path.is_file() and not path.name.endswith("-shm") and "replaced" not in path.parts:
        (copy / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, copy / path.relative_to(source))
for path in sorted(copy.rglob("*.db")):
    connection = sqlite3.connect(path)
    connection.execute("SELECT count(*) FROM sqlite_schema").fetchall()
    connection.close()
"""


class Ground:
    """`stack` runs and its bot writes; alerts come to a container of our own, on the way that leads outside."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.got = stack.volumes.parent / f"{stack.volumes.name}-got"
        self.hook = f"{stack.project}-hook"
        self.compared = 0

    def start(self) -> None:
        self.stack.script("up")
        self.got.mkdir(exist_ok=True)
        self.got.chmod(0o777)
        network = ("--network", f"{self.stack.project}_internet", "--network-alias", "hook")
        # A disk in memory is emptied when nobody has it any more, so that the sidecar must not be the only one.
        disks = [f"--volume={self.got}:/got"]
        if "small-state" in self.stack.env.get("COMPOSE_FILE", ""):
            disks.append(f"--volume={self.stack.project}_small-state:/kept")
        options = ("--detach", *LABEL, "--name", self.hook, *network, *disks)
        run(["docker", "run", *options, TEST_IMAGE, "python", "-c", HOOK])
        self.well()

    def destroy(self) -> None:
        run(["docker", "rm", "--force", self.hook], check=False)
        self.stack.destroy()
        shutil.rmtree(self.got, ignore_errors=True)

    # --- what the sidecar says ---------------------------------------------------------------------------------------

    def status(self) -> dict[str, Any]:
        """`status --json`, and how it ended as `code`."""

        def ask() -> Any:
            found = self.stack.script("status", "--json", check=False)
            return found if found.returncode in (0, 1) and found.stdout.startswith("{") else None

        told = poll("status tells something: the sidecar's container may be starting", ask)
        return {**json.loads(told.stdout), "code": told.returncode}

    def known(self) -> dict[str, Any]:
        """status.json as it is; the state folder can be one that only the sidecar has."""
        found: dict[str, Any] = json.loads(
            self.stack.compose("exec", "-T", "backup", "cat", "/state/status.json").stdout
        )
        return found

    def trouble(self, kind: str, subject: str = "run", seconds: float = 300) -> dict[str, Any]:
        """The trouble, once status tells of it; status then does not say that one is safe."""

        def look() -> Any:
            found = self.status()
            troubles = found["outcome"]["troubles"]
            return next(((found, t) for t in troubles if (t["kind"], t["subject"]) == (kind, subject)), None)

        found, trouble = poll(f"{kind} of {subject} in status, which says {self.status()['outcome']}", look, seconds)
        assert (found["safe"], found["code"]) == (False, 1)
        assert trouble["what"]
        assert trouble["hint"]
        one: dict[str, Any] = trouble
        return one

    def alerts(self) -> list[dict[str, Any]]:
        path = self.got / "alerts"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def alerted(self, words: str, seconds: float = 300) -> None:
        """An alert with these words has come since `forget`."""
        poll(
            f"an alert with {words!r}", lambda: any(words in a["title"] + a["message"] for a in self.alerts()), seconds
        )

    def rest(self) -> None:
        """Nothing is wrong, all of that was told, and the next alert comes at once: what tells people makes longer and
        longer pauses while there is much to tell."""
        self.well()
        restart = ("supervisorctl", "-c", "/app/backup/supervisord.conf", "restart", "sidecar:watch")
        self.stack.compose("exec", "-T", "backup", *restart)

        def all_told() -> bool:
            look = "cat /state/alerts.json 2>/dev/null || echo {}"
            told = json.loads(self.stack.compose("exec", "-T", "backup", "sh", "-c", look).stdout)
            return not told.get("opened") and not told.get("waiting")

        poll("nothing is left to tell", all_told)
        self.forget()

    def forget(self) -> None:
        """So far no alert has come."""
        if (self.got / "alerts").exists():
            self.stack.as_root("rm", "/got/alerts", got=self.got)

    def well(self, seconds: float = 300) -> None:
        poll("status says that one is safe", lambda: self.status()["safe"], seconds)

    def backup(self) -> Result:
        return self.stack.script("backup", check=False)

    # --- what must be true after every fault ---------------------------------------------------------------------------

    def equal(self) -> None:
        """With the bot held in mid-air: a run, a restore, and an oracle that finds no difference in any file."""
        poll("the bot could be held where its files can be read", self._compare)

    def _compare(self) -> bool:
        name = f"compare-{uuid4().hex[:8]}"
        folder = self.stack.volumes / name
        try:
            if self.stack.compose("pause", "bot", check=False).returncode:
                return False  # a process that waits for the disk cannot be stopped
            made = self.backup()
            if made.returncode:
                return False  # it was held in the middle of a transaction
            [point] = re.findall(r"Last Sync: .* run (\d+),", made.stdout)
            copied = self._inside("python", "-c", COPY, "/volumes/sqlite", f"/volumes/{name}/here", check=False)
            if copied.returncode == 3:
                return False
            assert copied.returncode == 0, copied.stderr
        finally:
            self.stack.compose("unpause", "bot", check=False)
        self.stack.script("restore", "--yes", "--run", point, "--into", str(folder / "there"))
        told = self._inside("python", "-m", "oracle", f"/volumes/{name}/here", f"/volumes/{name}/there/sqlite")
        assert "databases compared" in told.stdout
        doubled = self.stack.sql(
            "SELECT count(*) FROM (SELECT FROM sidemirror.history GROUP BY table_id, run, key HAVING count(*) > 1) x"
        )
        assert doubled == [["0"]]
        self.stack.as_root("rm", "-rf", f"/volumes/{name}")
        self.compared += 1
        return True

    def _inside(self, *command: str, check: bool = True) -> Result:
        options = (
            "--network=none",
            "--user=0:0",
            "--env=PYTHONPATH=/app/tests",
            f"--volume={self.stack.volumes}:/volumes",
        )
        return run(["docker", "run", "--rm", *options, TEST_IMAGE, *command], check=check)

    def python(self, script: str, *arguments: str) -> Result:
        """A script as root beside the bot's files, which are in /volumes/sqlite; what it makes is the bot's."""
        made = self._inside("python", "-c", script, *arguments)
        self._inside("sh", "-c", "chown -R 10001:10001 /volumes/sqlite /volumes/json")
        return made
