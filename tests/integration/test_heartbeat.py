"""The sign of life: called after a run that left both sides equal, and after no other."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from commanding import backup, log, scheduled
from fix_source import Source
from restoring import fill, poll

SECRET = "c0ffee-Zq9hunter2"


@dataclass
class Monitor:
    port: int = 0
    status: int = 200
    open: threading.Event = field(default_factory=threading.Event)
    calls: list[str] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/ping/{SECRET}?rid=1"

    @property
    def signs(self) -> list[str]:
        return [call.removeprefix(f"/ping/{SECRET}").removesuffix("?rid=1") for call in self.calls]


@pytest.fixture
def monitor() -> Iterator[Monitor]:
    made = Monitor()
    made.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            made.calls.append(self.path)
            made.open.wait(60)
            self.send_response(made.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        made.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield made
        made.open.set()
        server.shutdown()
        thread.join(10)


def test_a_good_run_is_a_start_and_a_call_and_a_bad_one_ends_with_fail(source: Source, monitor: Monitor) -> None:
    fill(source)
    assert backup(source, "once", HEARTBEAT_URL=monitor.url).returncode == 0
    poll("both calls", lambda: monitor.signs[-1:] == [""])
    monitor.calls.clear()
    (source.sqlite / "broken.db").write_bytes(bytes(100))
    assert backup(source, "once", HEARTBEAT_URL=monitor.url).returncode != 0
    assert monitor.signs[-1] == "/fail"
    assert backup(source, "once", HEARTBEAT_URL=monitor.url, SUPABASE_DB_PORT="9").returncode == 4
    assert "" not in monitor.signs, "a run with a refusal is no good run"
    assert SECRET not in log(source)


def test_runs_that_follow_each_other_closely_are_one_call_a_minute_and_a_failure_at_once(
    source: Source, monitor: Monitor
) -> None:
    fill(source)
    with scheduled(source, HEARTBEAT_URL=monitor.url, BACKUP_EVERY="1s"):
        poll("six runs", lambda: log(source).count("Last Sync: ") >= 6)
        assert monitor.signs.count("") == 1
        assert len(monitor.signs) <= 2
        (source.sqlite / "broken.db").write_bytes(bytes(100))
        poll("the failure", lambda: monitor.signs[-1] == "/fail")
        (source.sqlite / "broken.db").unlink()
        poll("the good one", lambda: monitor.signs[-1] == "")


def test_a_monitor_that_hangs_holds_up_no_run(source: Source, monitor: Monitor) -> None:
    fill(source)
    monitor.open.clear()
    with scheduled(source, HEARTBEAT_URL=monitor.url, BACKUP_EVERY="1s") as process:
        poll("it hangs", lambda: monitor.calls)
        poll("runs go on", lambda: log(source).count("Last Sync: ") >= 3)
        began = time.monotonic()
        process.terminate()
        assert process.wait(20) == 0
        assert time.monotonic() - began < 10


def test_a_monitor_that_refuses_is_told_once_without_its_address(source: Source, monitor: Monitor) -> None:
    fill(source)
    monitor.status = 404
    result = backup(source, "once", HEARTBEAT_URL=monitor.url, LOG_LEVEL="debug")
    assert result.returncode == 0
    assert result.stdout.count("The heartbeat could not be sent to HEARTBEAT_URL: it answers with status 404") == 1
    away = backup(source, "once", HEARTBEAT_URL=f"https://127.0.0.1:9/{SECRET}", LOG_LEVEL="debug")
    assert "The heartbeat could not be sent to HEARTBEAT_URL: it cannot be reached" in away.stdout
    assert SECRET not in result.stdout + result.stderr + away.stdout + away.stderr + log(source)
