"""A real bot process in folders of its own, and the Telegram that it talks to."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fix_telegram import DEADLINE, TOKEN, Telegram, wait_until

SERVICE = Path(__file__).resolve().parents[3] / "services" / "bot"


@dataclass
class BotProcess:
    """One place for a bot to live in; it can be started, asked, ended and started again."""

    root: Path
    telegram: Telegram
    running: list[subprocess.Popen[str]] = field(default_factory=list)
    logs: dict[int, Path] = field(default_factory=dict)

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

    def start(self, **more: str) -> subprocess.Popen[str]:
        log = self.root / f"log-{len(self.running)}"
        with log.open("w") as stdout:
            process = subprocess.Popen(
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
        """What it has said on stdout so far."""
        return self.logs[process.pid].read_text()

    def stop(self, process: subprocess.Popen[str]) -> tuple[int, str, str]:
        """Exit code, stdout and stderr after SIGTERM."""
        process.terminate()
        _, err = process.communicate(timeout=DEADLINE)
        return process.returncode, self.log(process), err

    def started(self, **more: str) -> subprocess.Popen[str]:
        """A bot that has given its first sign of life."""
        process = self.start(**more)
        wait_until(lambda: self.health()[0] == 0 or process.poll() is not None)
        assert process.poll() is None, process.communicate()
        return process

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


@pytest.fixture
def telegram(tmp_path: Path) -> Iterator[Telegram]:
    """A silent one: the test says what people do."""
    telegram = Telegram(tmp_path)
    telegram.start()
    yield telegram
    telegram.destroy()


@pytest.fixture
def busy(bot: BotProcess) -> Callable[[float], None]:
    """Lets people act so many times a second."""

    def start(traffic: float) -> None:
        bot.telegram.stop()
        bot.telegram.start(traffic)

    return start


@pytest.fixture
def bot(tmp_path: Path, telegram: Telegram) -> Iterator[BotProcess]:
    place = BotProcess(tmp_path, telegram)
    yield place
    for process in place.running:
        process.kill()
        process.wait()
        if process.stderr:
            process.stderr.close()


@pytest.fixture(name="wait_until")
def _wait_until() -> Callable[[Callable[[], object]], None]:
    return wait_until
