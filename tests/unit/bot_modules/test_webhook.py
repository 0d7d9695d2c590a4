"""Notices over a real HTTP server that limits, fails, hangs and refuses."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from bot_modules.backup_system import Store
from bot_modules.database import DataManager, SaveFailedError
from bot_modules.settings import Settings
from bot_modules.webhook import MOST_WAITING, Webhook

SECRET = "/api/webhooks/1234/very-secret-token"
DEADLINE = 120.0
SERVICE = Path(__file__).resolve().parents[3] / "services" / "bot"
OK = (204, {}, b"")


@dataclass
class Discord:
    """Answers with `answers` in turn, then with 204. `hold` keeps answers back while it is set to wait."""

    url: str
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=list)
    got: list[tuple[float, dict[str, object]]] = field(default_factory=list)
    agents: list[str] = field(default_factory=list)
    free: threading.Event = field(default_factory=threading.Event)

    def texts(self) -> list[str]:
        return [str(body["content"]) for _, body in self.got]


@pytest.fixture
def discord() -> Iterator[Discord]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            here.agents.append(self.headers["User-Agent"])
            here.got.append((time.monotonic(), body))
            status, headers, content = here.answers.pop(0) if here.answers else OK
            here.free.wait(DEADLINE)
            try:
                self.send_response(status)
                for name, value in {"Content-Length": str(len(content)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(content)
            except OSError:
                return  # it gave up waiting

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    here = Discord(f"http://127.0.0.1:{server.server_port}{SECRET}")
    here.free.set()
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield here
    here.free.set()
    server.shutdown()
    thread.join()
    server.server_close()


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + DEADLINE
    while not true():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.005)


@pytest.fixture
def hook(discord) -> Iterator[Webhook]:
    made = Webhook(discord.url, time_limit=0.5, retries=(0.02, 0.02))
    yield made
    made.close()


def test_every_tenth_save_tells_how_it_stands(discord, tmp_path):
    async def use() -> None:
        manager = DataManager(tmp_path / "data.json", settings=Settings(webhook_url=discord.url))
        for number in range(20):
            await manager.save({"n": number})
            if number == 9:
                await asyncio.to_thread(until, lambda: len(discord.got) == 1)
        await asyncio.to_thread(until, lambda: len(discord.got) == 2)

    asyncio.run(use())
    first, second = discord.texts()
    assert re.fullmatch(r"data\.json: 10 saves, 8 bytes, 10 \+ 2 compressed backups, the newest \d s old\.", first)
    assert re.fullmatch(r"data\.json: 20 saves, 9 bytes, 20 \+ 4 compressed backups, the newest \d s old\.", second)
    assert all(body["allowed_mentions"] == {"parse": []} for _, body in discord.got)
    assert all(agent.startswith("DiscordBot (") for agent in discord.agents)


def test_failure_the_end_of_it_and_recovery_are_told_at_once(discord, tmp_path):
    settings = Settings(webhook_url=discord.url)
    store = Store(tmp_path / "data.json", settings)
    store.save(b'{"n": 1}')
    (tmp_path / ".data.json.new").mkdir()
    for number in range(2, 14):
        with pytest.raises(SaveFailedError):
            store.save(b'{"n": %d}' % number)
    (tmp_path / ".data.json.new").rmdir()
    store.save(b'{"n": 14}')
    until(lambda: len(discord.got) == 3)
    assert "Failed save (1 in a row)" in discord.texts()[0]
    assert "the data is safe in" in discord.texts()[0]
    assert "Failed save (10 in a row)" in discord.texts()[1]
    assert "saved again, after 12 failures" in discord.texts()[2]
    (tmp_path / "data.json").write_bytes(b"{")
    Store(tmp_path / "data.json", settings).load()
    until(lambda: len(discord.got) == 4)
    assert "Recovery of data.json: data.json is not JSON" in discord.texts()[3]


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Retry-After": "1"}, b"You are being rate limited"),
        ({"Retry-After": "1"}, b'{"retry_after": 0.4, "global": false}'),
        ({}, b'{"retry_after": 1.0}'),
    ],
)
def test_after_429_the_same_notice_is_sent_again_when_discord_allows(discord, hook, headers, body):
    discord.answers = [(429, headers, body)]
    hook.send("first", urgent=True)
    hook.send("second", urgent=True)
    until(lambda: len(discord.got) == 3)
    assert discord.texts() == ["first", "first", "second"]
    assert discord.got[1][0] - discord.got[0][0] >= 0.95


def test_a_429_that_names_no_time_is_not_answered_with_a_flood(discord, hook):
    discord.answers = [(429, {"Retry-After": "soon"}, b"{")] * 100
    hook.send("first", urgent=True)
    until(lambda: len(discord.got) == 1)
    hook._changed.acquire()
    hook._changed.release()
    assert len(discord.got) == 1


def test_the_last_request_of_a_window_is_followed_by_a_pause(discord, hook):
    discord.answers = [(204, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "0.6"}, b"")]
    hook.send("first", urgent=True)
    hook.send("second", urgent=True)
    until(lambda: len(discord.got) == 2)
    assert discord.got[1][0] - discord.got[0][0] >= 0.55


def test_server_errors_are_tried_again_and_then_let_go(discord, hook, caplog):
    discord.answers = [(500, {}, b""), (502, {}, b""), OK, (503, {}, b""), (500, {}, b""), (500, {}, b"")]
    for text in ("first", "second", "third"):
        hook.send(text, urgent=True)
    until(lambda: len(discord.got) == 7)
    assert discord.texts() == ["first"] * 3 + ["second"] * 3 + ["third"]
    assert "a notice was dropped: the webhook gave HTTP status 500" in caplog.text


def test_a_server_that_hangs_is_left_after_the_time_limit(discord, hook):
    discord.free.clear()
    hook.send("first", urgent=True)
    until(lambda: len(discord.got) == 2)
    discord.free.set()
    hook.send("second", urgent=True)
    until(lambda: "second" in discord.texts())


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_webhook_that_is_gone_is_asked_once(discord, hook, status, caplog):
    discord.answers = [(status, {}, b"")]
    hook.send("first", urgent=True)
    until(lambda: hook._closed)
    hook.send("second", urgent=True)
    assert len(discord.got) == 1
    assert f"HTTP status {status}" in caplog.text


def test_a_redirect_is_not_followed(discord, hook):
    discord.answers = [(302, {"Location": discord.url + "/elsewhere"}, b"")]
    hook.send("first", urgent=True)
    until(lambda: hook.dropped == 1)
    assert len(discord.got) == 1


def test_what_waits_is_bounded_and_of_regular_notices_only_the_newest_waits(discord, hook):
    discord.free.clear()
    hook.send("in flight", urgent=True)
    until(lambda: len(discord.got) == 1)
    for number in range(100):
        hook.send(f"regular {number}", urgent=False)
    for number in range(MOST_WAITING + 30):
        hook.send(f"urgent {number}", urgent=True)
    assert len(hook._waiting) == MOST_WAITING
    discord.free.set()
    until(lambda: discord.texts()[-1] == f"urgent {MOST_WAITING + 29}")
    assert len(hook._waiting) == 0


def test_a_webhook_that_does_not_answer_delays_no_save(discord, tmp_path):
    discord.free.clear()
    store = Store(tmp_path / "data.json", Settings(webhook_url=discord.url))
    times = []
    for number in range(60):
        began = time.monotonic()
        store.save(b'{"n": %d}' % number)
        times.append(time.monotonic() - began)
    assert max(times) < 1.0
    assert len(discord.got) <= 1
    began = time.monotonic()
    store.close()
    assert time.monotonic() - began < 1.0


def test_the_address_is_in_no_log_line_and_no_error(discord, tmp_path, caplog):
    caplog.set_level(logging.DEBUG)
    discord.answers = [
        (500, {}, SECRET.encode()),
        (429, {"Retry-After": "0"}, SECRET.encode()),
        (404, {}, SECRET.encode()),
    ]
    for url in (discord.url, f"http://127.0.0.1:1{SECRET}", f"http://nowhere.invalid{SECRET}", f"http://a b{SECRET}"):
        hook = Webhook(url, time_limit=0.5, retries=(0.01,))
        hook.send("text", urgent=True)
        until(lambda hook=hook: hook._closed or hook.dropped > 0)
        hook.close()
    assert caplog.records
    assert "secret" not in caplog.text
    assert "secret" not in repr(Settings(webhook_url=discord.url))


PROGRAM = """
import asyncio, sys
from bot_modules.database import data_manager, load_data, save_data
async def main():
    await save_data({"n": 1})
    (data_manager.path.parent / ".data.json.new").mkdir()
    await save_data({"n": 2})
asyncio.run(main())
"""


def test_the_end_of_the_program_waits_a_moment_for_what_is_urgent(discord, tmp_path):
    secret = tmp_path / "url"
    secret.write_text(discord.url + "\n")
    json_dir = tmp_path / "json"
    json_dir.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env={"PYTHONPATH": str(SERVICE), "JSON_DIR": str(json_dir), "DISCORD_WEBHOOK_URL_FILE": str(secret)},
        capture_output=True, text=True, check=False, timeout=DEADLINE,
    )  # fmt: skip
    assert done.returncode == 1
    assert "SaveFailedError" in done.stderr
    assert "secret" not in done.stderr
    assert len(discord.got) == 1
    assert "Failed save" in discord.texts()[0]
