"""The page as it ships: a process of its own beside a real sidecar, and a real Chromium that looks at it."""

from __future__ import annotations

import http.client
import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fix_source import Source
from fix_target import Target
from playwright.sync_api import Browser, Page, Request, sync_playwright

AXE = Path("/test-assets/axe.min.js")
SHOTS = Path(os.environ.get("SIDEMIRROR_SHOTS", "/tmp/shots"))

PREMIUM = """
CREATE TABLE premium_subscriptions (id INTEGER PRIMARY KEY, group_id INTEGER, tier TEXT, expires_at TEXT, active BOOLEAN);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 140)
INSERT INTO premium_subscriptions SELECT i, -1000 - i, iif(i % 3, 'gold', 'silver'), '2027-01-01', i % 2 FROM n;
CREATE TABLE payment_history (id INTEGER PRIMARY KEY, user_id INTEGER, stars INTEGER, paid_at TEXT);
WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 420)
INSERT INTO payment_history SELECT i, 7000 + i % 90, 100 + i % 5 * 50, '2026-11-01' FROM n;
INSERT INTO payment_history VALUES (1000, 'an id that is text', 2.5, NULL);
"""
REQUESTS = """
CREATE TABLE requests (id INTEGER PRIMARY KEY, who TEXT, title TEXT);
INSERT INTO requests (who, title) VALUES ('ann', 'Dune'), ('bob', 'Solaris'), ('cid', 'Roadside Picnic');
"""


def poll(what: str, look: Callable[[], Any], seconds: float = 30) -> Any:
    """The first true outcome of `look`; an AssertionError that says `what` after the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s: {what}"
        threading.Event().wait(0.05)
    return found


@dataclass
class Answer:
    code: int
    headers: dict[str, str]
    body: str


@dataclass
class Served:
    """A running page; `ask` is HTTP without a browser."""

    port: int
    process: subprocess.Popen[bytes]

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None, body: str | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            answered = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, answered, response.read().decode())
        finally:
            connection.close()

    def state(self) -> str:
        return str(json.loads(self.ask("/healthz").body)["state"])

    def memory(self) -> int:
        """Resident bytes, at their highest."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@contextmanager
def served(state: Path, **environ: str) -> Iterator[Served]:
    """`python -m backup.page` on a free port, ended afterwards."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = ("SUPABASE_", "STATUS_", "STATE_", "SOURCE_")
    variables = {k: v for k, v in os.environ.items() if not k.startswith(ours)} | {
        "STATE_DIR": str(state), "STATUS_PORT": str(port), **environ,
    }  # fmt: skip
    process = subprocess.Popen([sys.executable, "-m", "backup.page"], env=variables)
    page = Served(port, process)
    try:
        poll("the page answers", lambda: process.poll() is not None or _answers(page))
        assert process.poll() is None
        yield page
    finally:
        process.terminate()
        process.wait(20)


def _answers(page: Served) -> bool:
    try:
        return page.ask("/healthz").code == 200
    except OSError:
        return False


@contextmanager
def sidecar(source: Source, **environ: str) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m backup schedule`, as the container runs it, once it has been heard from."""
    variables = source.process_environ | environ
    with (source.folder / "log").open("ab") as log:
        process = subprocess.Popen(
            source.command("schedule"), env=variables, stdout=log, stderr=log, stdin=subprocess.DEVNULL
        )
    try:
        poll("the sidecar lives", (source.state / "alive").exists)
        yield process
    finally:
        process.kill()
        process.wait()


def backup(source: Source, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        source.command(*arguments), env=source.process_environ | environ, capture_output=True, text=True, timeout=60
    )


def told(source: Source) -> dict[str, Any]:
    """status.json."""
    try:
        found: dict[str, Any] = json.loads((source.state / "status.json").read_text())
    except FileNotFoundError:
        return {}
    return found


def fill(source: Source) -> None:
    """A small bot's life: two databases, a document, four restore points."""
    source.write(PREMIUM, "premium_system.db")
    source.write(REQUESTS, "user_requests.db")
    document = source.json / "data.json"
    document.write_text(json.dumps({"welcome": "Hello!", "groups": {"-1001": {"language": "en", "quiet": False}}}))
    source.run("full")
    source.write("INSERT INTO requests (who, title) VALUES ('dee', 'Kindred'), ('eve', 'Ubik')", "user_requests.db")
    source.run()
    document.write_text(json.dumps({"welcome": "Hi!", "groups": {"-1001": {"language": "de", "quiet": False}}}))
    source.run()
    source.write(
        "UPDATE premium_subscriptions SET active = 0 WHERE id < 12; DELETE FROM payment_history WHERE id < 4",
        "premium_system.db",
    )
    source.run()


@pytest.fixture(scope="module")
def new_source(tmp_path_factory: pytest.TempPathFactory, target: Target) -> Callable[..., Source]:
    """Makes sources of a test's own."""
    return lambda **variables: Source(tmp_path_factory.mktemp("source") / "s", target, **variables)


@dataclass
class Watched:
    """A browser's page, with everything that it complained about or asked for elsewhere."""

    page: Page
    home: str
    wrong: list[str] = field(default_factory=list)

    def open(self, path: str = "/") -> Page:
        self.page.goto(self.home + path)
        self.page.wait_for_load_state("load")
        return self.page

    def violations(self) -> list[str]:
        """What axe-core finds, by rule and element (https://github.com/dequelabs/axe-core)."""
        found = self.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
        return [
            f"{violation['id']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
            for violation in found["violations"]
            for node in violation["nodes"]
        ]

    def picture(self, name: str) -> None:
        """Kept for a person to look at."""
        SHOTS.mkdir(parents=True, exist_ok=True)
        self.page.screenshot(path=SHOTS / f"{name}.png", full_page=True)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture
def look(chromium: Browser) -> Iterator[Callable[..., Watched]]:
    """Opens pages in a browser; at the end of the test none may have complained or asked for anything elsewhere."""
    with ExitStack() as stack:
        every: list[Watched] = []

        def make(served_page: Served, width: int = 1280, dark: bool = False) -> Watched:
            context = chromium.new_context(
                viewport={"width": width, "height": 900},
                color_scheme="dark" if dark else "light",
                timezone_id="Europe/Berlin",
                reduced_motion="reduce",
            )
            context.grant_permissions(["clipboard-read", "clipboard-write"], origin=served_page.address)
            context.add_init_script(path=AXE)
            context.set_default_timeout(30_000)
            stack.callback(context.close)
            watched = Watched(context.new_page(), served_page.address)
            watched.page.on("console", lambda message: _complaint(watched, message.type, message.text))
            watched.page.on("pageerror", lambda error: watched.wrong.append(f"error: {error}"))
            watched.page.on("request", lambda request: _elsewhere(watched, request))
            every.append(watched)
            return watched

        yield make
        for watched in every:
            assert watched.wrong == []


def _complaint(watched: Watched, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        watched.wrong.append(f"console: {text}")


def _elsewhere(watched: Watched, request: Request) -> None:
    if not request.url.startswith(watched.home + "/"):
        watched.wrong.append(f"request to {request.url}")
