"""A real bot process in folders of its own, and the Telegram that it talks to."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import nursery
import pytest
from fix_telegram import ADA, BOB, DEADLINE, GROUP, OTHER_GROUP, TOKEN, Telegram, wait_until

NUMBERS = count(1)
SERVICE = Path(__file__).resolve().parents[3] / "services" / "bot"


@dataclass
class BotProcess:
    """One place for a bot to live in; it can be started, asked, ended and started again."""

    root: Path
    telegram: Telegram
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    logs: dict[int, Path] = field(default_factory=dict)
    read: dict[int, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for folder in (self.sqlite_dir, self.json_dir, self.tmp):
            folder.mkdir()

    @property
    def sqlite_dir(self) -> Path:
        return self.root / "sqlite"

    @property
    def json_dir(self) -> Path:
        return self.root / "json"

    @property
    def tmp(self) -> Path:
        return self.root / "tmp"

    def environment(self, **more: str) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(SERVICE),
            "PYTHONDONTWRITEBYTECODE": "1",
            "PYTHONWARNINGS": "error",
            "SQLITE_DIR": str(self.sqlite_dir),
            "JSON_DIR": str(self.json_dir),
            "TMPDIR": str(self.tmp),
            "BOT_TOKEN": TOKEN,
            "TELEGRAM_API_BASE": self.telegram.url,
            **more,
        }

    def start(self, importing: bool = False, **more: str) -> subprocess.Popen[str]:
        """The process is there; one that is `importing` has all of its start before it, as a container's has."""
        log = self.root / f"log-{len(self.running)}"
        with log.open("w") as stdout:
            popen = nursery.ORDINARY if importing else subprocess.Popen
            process = popen(
                [sys.executable, "-m", "bot"],
                env=self.environment(**more),
                stdout=stdout,
                stderr=subprocess.PIPE,
                text=True,
            )
        self.running.append(process)
        self.logs[process.pid] = log
        return process

    def log(self, process: subprocess.Popen[str]) -> str:
        """What it has said on stdout so far, in this test."""
        return self.logs[process.pid].read_text()[self.read.get(process.pid, 0) :]

    def stop(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Exit code, stdout and stderr after SIGTERM."""
        process.terminate()
        _, err = process.communicate(timeout=DEADLINE)
        return process.returncode, self.log(process), err

    def started(self, **more: str) -> subprocess.Popen[str]:
        """A bot that has given its first sign of life."""
        (self.tmp / "bot.heartbeat").unlink(missing_ok=True)  # of one that was killed
        process = self.start(**more)
        wait_until(lambda: (self.tmp / "bot.heartbeat").exists() or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        return process

    @property
    def lives(self) -> bool:
        return bool(self.running) and self.running[-1].poll() is None

    def begin_anew(self) -> None:
        """The bot lives, and nothing has happened yet: its tables are empty, its log is read, Telegram has forgotten all."""
        if not self.lives:
            self.started()
            wait_until(lambda: self.telegram.calls("getUpdates"))
        self.telegram.settled()
        self.telegram.forget()
        for path in self.sqlite_dir.glob("*.db"):
            with closing(sqlite3.connect(path, timeout=5)) as connection, connection:
                for (name,) in connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
                    if not name.startswith("sqlite_"):
                        connection.execute(f"DELETE FROM {name}")
        process = self.running[-1]
        self.read[process.pid] = len(self.logs[process.pid].read_text())

    def end(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()
            if process.stderr:
                process.stderr.close()

    def run(self, *arguments: str, **more: str) -> tuple[int, str, str]:
        """Exit code, stdout and stderr of a run that ends by itself."""
        done = subprocess.run(
            [sys.executable, "-m", "bot", *arguments],
            env=self.environment(**more),
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        return done.returncode, done.stdout, done.stderr

    def health(self) -> tuple[int, str]:
        """Exit code and what the health check says."""
        code, said, _ = self.run("health")
        return code, said.strip()

    def query(self, database: str, sql: str) -> list[Any]:
        """The rows, read beside the bot as the sidecar reads them."""
        path = self.sqlite_dir / database
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=5)) as connection:
            return connection.execute(sql).fetchall()


@pytest.fixture(autouse=True)
def strangers() -> None:
    """People and groups that no bot has met before: what it remembers of others does not touch them."""
    for person in (ADA, BOB):
        person["id"] = 5_000_000_000 + next(NUMBERS)
    for group in (GROUP, OTHER_GROUP):
        group["id"] = -1_001_000_000_000 - next(NUMBERS)


def _place(root: Path) -> Iterator[BotProcess]:
    """With a silent Telegram: the test says what people do."""
    telegram = Telegram(root)
    telegram.start()
    place = BotProcess(root, telegram)
    yield place
    place.end()
    telegram.destroy()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BotProcess]:
    """The bot of all tests of a module that do not need a life of their own."""
    yield from _place(tmp_path_factory.mktemp("shared"))


@pytest.fixture
def bot(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BotProcess]:
    """The module's bot, alive and as if it had just been started; for a test that is `alone` a place without one."""
    if "alone" in request.keywords:
        yield from _place(tmp_path)
    else:
        place: BotProcess = request.getfixturevalue("shared")
        place.begin_anew()
        yield place


@pytest.fixture
def chat(bot: BotProcess) -> Telegram:
    """The stand-in with a bot that is connected to it."""
    if not bot.lives:
        bot.started()
    return bot.telegram


@pytest.fixture
def busy(bot: BotProcess) -> Callable[[float], None]:
    """Lets people act so many times a second."""

    def start(traffic: float) -> None:
        bot.telegram.stop()
        bot.telegram.start(traffic)

    return start


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], object]], None]:
    return wait_until
