"""Alerts as they arrive: a web server and a mail server take what `watch` sends while real runs fail and recover."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from commanding import backup, log, running, scheduled
from fix_source import Source
from restoring import fill, poll

TOKEN = "t0ken-Zq9hunter2"


@dataclass
class Receiver:
    """A webhook. `status` is what it answers; while `open` is not set it answers nothing."""

    port: int = 0
    status: int = 200
    open: threading.Event = field(default_factory=threading.Event)
    messages: list[dict[str, Any]] = field(default_factory=list)
    requests: int = 0

    @property
    def url(self) -> str:
        return f"json://user:{TOKEN}@127.0.0.1:{self.port}/hook/{TOKEN}"

    @property
    def titles(self) -> list[str]:
        return [message["title"] for message in self.messages]


@contextmanager
def receiving(port: int = 0) -> Iterator[Receiver]:
    receiver = Receiver()
    receiver.open.set()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            receiver.requests += 1
            receiver.open.wait(60)
            if receiver.status == 200:
                receiver.messages.append(json.loads(body))
            self.send_response(receiver.status)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        receiver.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield receiver
        receiver.open.set()
        server.shutdown()
        thread.join(10)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@contextmanager
def watching(source: Source, **environ: str | None) -> Iterator[subprocess.Popen[bytes]]:
    """`python -m backup watch`; what it says is in `said`."""
    with running(source, "watch", "watch", {"ALERT_AFTER": "1s"} | environ) as process:
        yield process


def said(source: Source) -> str:
    return (source.folder / "watch").read_text()


def has(receiver: Receiver, count: int) -> bool:
    return len(receiver.messages) >= count


def test_a_failure_is_told_once_with_what_to_do_and_so_is_its_end(source: Source, receiver: Receiver) -> None:
    source.environ["GUARD_SHRINK"] = "50%"
    fill(source)
    assert backup(source, "once").returncode == 0
    with watching(source, ALERT_URLS=receiver.url):
        source.write("DELETE FROM t")
        for _ in range(3):
            assert backup(source, "once").returncode == 6
        poll("it is told", lambda: has(receiver, 1))
        [message] = receiver.messages
        assert (message["title"], message["type"]) == (f"Sidemirror, {source.name}: NOT SAFE", "failure")
        for expected in (
            "What: bot.db: bot.db is held, nothing of it was mirrored: table t would go from 300 rows to 0",
            "Since: 20",
            "It means: Nothing is lost",
            "./sidemirror accept",
            "Everything up to 20",
        ):
            assert expected in message["message"]
        assert backup(source, "accept").returncode == 0
        poll("its end is told", lambda: has(receiver, 2))
    assert receiver.titles[1] == f"Sidemirror, {source.name}: all is well again"
    assert receiver.messages[1]["type"] == "success"


def test_a_restart_tells_nothing_twice_and_forgets_nothing(source: Source, receiver: Receiver) -> None:
    fill(source)
    assert backup(source, "once", SUPABASE_DB_PORT="9").returncode == 4
    for _ in range(3):
        with watching(source, ALERT_URLS=receiver.url) as process:
            poll("it is told", lambda: has(receiver, 1))
            looked = time.monotonic()
            poll("it looked some more", lambda: time.monotonic() - looked > 2)  # noqa: B023
            process.send_signal(signal.SIGKILL)
    assert len(receiver.messages) == 1
    assert backup(source, "once").returncode == 0
    with watching(source, ALERT_URLS=receiver.url):
        poll("what ended meanwhile is told", lambda: has(receiver, 2))
    assert "all is well again" in receiver.titles[1]


def test_what_could_not_be_sent_waits_through_restarts(source: Source, receiver: Receiver) -> None:
    fill(source)
    receiver.status = 500
    assert backup(source, "once", SUPABASE_DB_PORT="9").returncode == 4
    with watching(source, ALERT_URLS=receiver.url):
        poll("it was tried", lambda: receiver.requests)
        poll(
            "it says so", lambda: "ALERT_URLS, entry 1 (json): it answers with status 500; it is tried" in said(source)
        )
    assert backup(source, "once").returncode == 0
    receiver.status = 200
    with watching(source, ALERT_URLS=receiver.url):
        poll("it arrives", lambda: has(receiver, 1))
        poll("it says so", lambda: "Alerts reach ALERT_URLS, entry 1 (json) again" in said(source))
    told = "".join(message["message"] for message in receiver.messages)
    assert "refuses the connection" in told
    assert "well again" in "".join(receiver.titles)
    assert TOKEN not in said(source)


def test_several_addresses_each_get_it_though_one_is_dead(source: Source, receiver: Receiver) -> None:
    fill(source)
    with receiving() as second:
        urls = f"{receiver.url}\n# a comment\njson://127.0.0.1:9/{TOKEN}\n {second.url}"
        file = source.folder / "urls"
        file.write_text(urls)
        assert backup(source, "once", SUPABASE_DB_PORT="9").returncode == 4
        with watching(source, ALERT_URLS_FILE=str(file)):
            poll("both are told", lambda: has(receiver, 1) and has(second, 1))
            poll(
                "the dead one is named", lambda: "ALERT_URLS, entry 2 (json): the connection is refused" in said(source)
            )
        assert (len(receiver.messages), len(second.messages)) == (1, 1)
    assert TOKEN not in said(source)


def test_an_address_that_is_given_later_hears_what_is_wrong(source: Source, receiver: Receiver) -> None:
    fill(source)
    assert backup(source, "once", SUPABASE_DB_PORT="9").returncode == 4
    with watching(source):
        poll("it says that nobody is told", lambda: "Nobody is told when something goes wrong." in said(source))
    with watching(source, ALERT_URLS=receiver.url):
        poll("it is told", lambda: has(receiver, 1))


def test_a_receiver_that_hangs_holds_up_no_run(source: Source, receiver: Receiver) -> None:
    fill(source)
    receiver.open.clear()
    environ = {"ALERT_URLS": receiver.url, "BACKUP_EVERY": "1s"}
    (source.sqlite / "broken.db").write_bytes(bytes(100))
    with scheduled(source, **environ), watching(source, **environ) as process:
        poll("it hangs in a message", lambda: receiver.requests)
        source.write("DELETE FROM t WHERE id = 1")
        before = source.target.query("SELECT last_run FROM sidemirror.sources WHERE name = %s", source.name)[0][0]
        source.write("DELETE FROM t WHERE id = 2")
        poll(
            "runs go on",
            lambda: (
                source.target.query("SELECT last_run FROM sidemirror.sources WHERE name = %s", source.name)[0][0]
                > before
            ),
        )
        receiver.open.set()
        poll("it arrives", lambda: has(receiver, 1))
        process.send_signal(signal.SIGTERM)
        assert process.wait(40) == 0


def test_a_scheduler_that_gave_up_is_told(source: Source, receiver: Receiver) -> None:
    fill(source)
    environ: dict[str, str | None] = {"SUPABASE_DB_PASSWORD_FILE": None, "SUPABASE_DB_PASSWORD": "wrong"}
    with watching(source, ALERT_URLS=receiver.url), scheduled(source, **environ):
        poll("it is told", lambda: has(receiver, 1))
    assert "the password for" in receiver.messages[0]["message"]
    assert "Nothing is tried any more" in receiver.messages[0]["message"]


def test_a_source_that_is_not_equal_for_too_long_is_told_though_nothing_runs(
    source: Source, receiver: Receiver
) -> None:
    fill(source)
    assert backup(source, "once").returncode == 0
    path = source.state / "status.json"
    path.write_text(re.sub(r'"equal_at": "[^"]*"', '"equal_at": "2026-01-01T00:00:00+00:00"', path.read_text()))
    with watching(source, ALERT_URLS=receiver.url):
        poll("it is told", lambda: has(receiver, 1))
    assert (
        "source and target were not known to be equal since 2026-01-01T00:00:00+00:00"
        in receiver.messages[0]["message"]
    )


def test_a_full_state_folder_is_told_all_the_same(source: Source, receiver: Receiver, small_disk: Path) -> None:
    fill(source)
    source.environ["STATE_DIR"] = str(small_disk)
    with contextlib.suppress(OSError), (small_disk / "ballast").open("wb", buffering=0) as ballast:
        while ballast.write(b"x" * 4096):
            pass
    assert backup(source, "once").returncode == 7
    with watching(source, ALERT_URLS=receiver.url):
        poll("it is told", lambda: has(receiver, 1))
        looked = time.monotonic()
        poll("it looked some more", lambda: time.monotonic() - looked > 3)
    assert "the state folder has 0 MB left" in receiver.messages[0]["message"]
    assert len(receiver.messages) == 1, "though it could not be written down that it was told"


class Mailbox:
    def __init__(self) -> None:
        self.mails: list[bytes] = []

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802 - the server's name
        self.mails.append(envelope.content)
        return "250 OK"


@contextmanager
def mail_server(mailbox: Mailbox) -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    controller = Controller(mailbox, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        yield port
    finally:
        controller.stop()


def test_an_alert_arrives_as_a_mail(source: Source) -> None:
    fill(source)
    assert backup(source, "once", SUPABASE_DB_PORT="9").returncode == 4
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        url = f"mailto://127.0.0.1:{port}?from=sidemirror@example.org&to=person@example.org&mode=insecure"
        with watching(source, ALERT_URLS=url):
            poll("a mail comes", lambda: mailbox.mails or "could not" in said(source))
    assert mailbox.mails, said(source)
    mail = message_from_bytes(mailbox.mails[0], policy=policy.default)
    assert mail["Subject"] == f"Sidemirror, {source.name}: NOT SAFE"
    body = mail.get_body(("plain", "html"))
    assert body is not None
    assert "refuses the connection" in body.get_content()


def test_alert_test_tells_of_each_address_whether_it_took_the_message(source: Source, receiver: Receiver) -> None:
    none = backup(source, "alert-test")
    assert (none.returncode, "there is nobody to send to" in none.stderr) == (2, True)
    good = backup(source, "alert-test", ALERT_URLS=receiver.url)
    assert (good.returncode, good.stdout) == (0, "ok    ALERT_URLS, entry 1 (json): sent\n")
    assert receiver.titles == [f"Sidemirror, {source.name}: a test"]
    receiver.status = 403
    urls = f"{receiver.url} json://nowhere.invalid/{TOKEN} tgram://{TOKEN}"
    bad = backup(source, "alert-test", ALERT_URLS=urls, LOG_LEVEL="debug")
    assert bad.returncode == 1
    assert bad.stdout.splitlines() == [
        "WRONG ALERT_URLS, entry 1 (json): it answers with status 403",
        "WRONG ALERT_URLS, entry 2 (json): its host name cannot be resolved",
        "WRONG ALERT_URLS, entry 3 (tgram): it is no address that apprise knows",
    ]
    assert TOKEN not in bad.stdout + bad.stderr


def test_a_wrong_address_is_named_and_keeps_nobody_else_from_being_told(source: Source, receiver: Receiver) -> None:
    fill(source)
    urls = f"nosuch://{TOKEN} {receiver.url}"
    assert backup(source, "once", SUPABASE_DB_PORT="9").returncode == 4
    with watching(source, ALERT_URLS=urls) as process:
        poll("the other is told", lambda: has(receiver, 1))
        assert process.poll() is None
        shown = backup(source, "status", ALERT_URLS=urls).stdout
    assert "Alerts go to 2 addresses; ALERT_URLS, entry 1 (nosuch) could not be reached: it is no address that" in shown
    assert "ERROR   ALERT_URLS, entry 1 (nosuch): it is no address that apprise knows\n      Try: " in said(source)
    with watching(source, ALERT_URLS=receiver.url):
        poll("it is forgotten", lambda: "could not be" not in backup(source, "status", ALERT_URLS=receiver.url).stdout)
    text = backup(source, "watch", ALERT_URLS=f"{receiver.url} {TOKEN}", HEARTBEAT_URL=f"ftp://{TOKEN}")
    assert text.returncode == 2
    assert "ALERT_URLS: entry 2 is no address" in text.stderr
    assert "HEARTBEAT_URL: give an address that begins with https://" in text.stderr
    for told in (shown, said(source), text.stdout + text.stderr):
        assert TOKEN not in told
        assert "Traceback" not in told


def test_a_sidecar_that_is_silent_is_told_though_it_said_last_that_all_is_well(
    source: Source, receiver: Receiver
) -> None:
    fill(source)
    with scheduled(source) as scheduler:
        poll("a run was made", lambda: "Last Sync: " in log(source))
        scheduler.send_signal(signal.SIGSTOP)
        alive = source.state / "alive"
        os.utime(alive, (time.time() - 60, time.time() - 60))
        with watching(source, ALERT_URLS=receiver.url):
            poll("it is told", lambda: has(receiver, 1))
            assert "What: the sidecar has not been heard from since " in receiver.messages[0]["message"]
            scheduler.send_signal(signal.SIGCONT)
            poll("its end is told", lambda: has(receiver, 2))
    assert receiver.titles[1] == f"Sidemirror, {source.name}: all is well again"


def test_the_address_is_in_no_command_line_while_it_is_written_to(source: Source, receiver: Receiver) -> None:
    fill(source)
    receiver.open.clear()
    assert backup(source, "once", SUPABASE_DB_PORT="9").returncode == 4
    with watching(source, ALERT_URLS=receiver.url):
        poll("it hangs in a message", lambda: receiver.requests)
        seen = b""
        for command in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                seen += command.read_bytes()
        assert b"backup.send" in seen
        assert TOKEN.encode() not in seen
        receiver.open.set()
