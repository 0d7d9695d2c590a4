"""Who may come in, and what is answered to those who ask for something else. Without a browser."""

from __future__ import annotations

import base64
import contextlib
import http.client
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import urlencode

import pytest
from fix_page import Served, served

from backup.page.login import DEVICE_COOKIE, Login

PASSWORD = "correct horse & battery ☂"
HTML = {"Accept": "text/html"}
FORM = {"Content-Type": "application/x-www-form-urlencoded", **HTML}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page without a password, of a state folder without anything."""
    with served(tmp_path_factory.mktemp("state")) as page:
        yield page


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A page with a password; nobody gives it a wrong one."""
    with served(tmp_path_factory.mktemp("state"), STATUS_PASSWORD=PASSWORD) as page:
        yield page


@pytest.fixture
def besieged(tmp_path: Path) -> Iterator[Served]:
    """A page with a password for a test that gives wrong ones."""
    with served(tmp_path, STATUS_PASSWORD=PASSWORD) as page:
        yield page


def enter(page: Served, password: str, to: str = "/history") -> tuple[int, dict[str, str], str]:
    answer = page.ask("/login", "POST", FORM, urlencode({"password": password, "next": to}))
    return answer.code, answer.headers, answer.body


def basic(password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode()}


NOT_THERE = (
    "/nothing",
    "/history/999",
    "/history/99999999999999999999999",
    "/history/-1",
    "/history/1.5",
    "/tables/7",
    "/documents/7",
    "//evil.example",
    "/%00",
    "/history?span=century",
    "/history?day=2026-13-45",
    "/history?before=x",
    "/documents/1?from=x",
    "/data/history?span=x",
    "/.git/config",
    "/static/../config.py",
    "/static/nothing.css",
    "/static/%2e%2e/config.py",
)


@pytest.mark.parametrize("path", NOT_THERE)
def test_what_is_not_there_is_answered_kindly(opened: Served, path: str) -> None:
    answer = opened.ask(path, headers=HTML)
    assert answer.code == 404
    assert "There is no such page." in answer.body
    assert "Traceback" not in answer.body
    assert opened.ask(path).body.startswith("There is no such page.")


@pytest.mark.parametrize("path", ["/", "/history", "/documents", "/metrics", "/healthz", "/data/charts", "/live"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_a_method_that_would_change_something_is_refused(opened: Served, path: str, method: str) -> None:
    answer = opened.ask(path, method, HTML)
    assert answer.code == 405
    assert "GET" in answer.headers["allow"]


@pytest.mark.parametrize("path", ["/", "/history", "/documents", "/metrics", "/healthz", "/static/style.css"])
def test_head_answers_as_get_without_a_body(opened: Served, path: str) -> None:
    answer = opened.ask(path, "HEAD", HTML)
    assert (answer.code, answer.body) == (200, "")
    assert int(answer.headers["content-length"]) > 0


@pytest.mark.parametrize("path", ["/", "/metrics", "/nothing", "/static/page.js", "/login"])
def test_every_answer_forbids_what_the_page_does_not_need(opened: Served, path: str) -> None:
    headers = opened.ask(path, headers=HTML).headers
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
    assert "server" not in headers


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8080", "localhost.evil.example", "", "127.0.0.1.nip.io"]
)
def test_a_name_that_is_not_ours_is_refused(opened: Served, host: str) -> None:
    answer = opened.ask("/", headers={"Host": host})
    assert answer.code == 421
    assert "STATUS_HOSTS" in answer.body


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:1", "[::1]:8080", "page:8080"])
def test_our_own_names_are_taken(opened: Served, host: str) -> None:
    assert opened.ask("/healthz", headers={"Host": host}).code == 200


def test_a_host_of_the_settings_is_taken(tmp_path: Path) -> None:
    with served(tmp_path, STATUS_HOSTS="status.example.org, Other.example") as page:
        assert page.ask("/", headers={"Host": "status.example.org"}).code == 200
        assert page.ask("/", headers={"Host": "other.example:443"}).code == 200
        assert page.ask("/", headers={"Host": "evil.example"}).code == 421


def test_without_the_password_nothing_is_shown(closed: Served) -> None:
    for path in ("/", "/history", "/documents", "/data/charts", "/metrics", "/live", "/nothing"):
        answer = closed.ask(path)
        assert (answer.code, answer.headers["www-authenticate"]) == (401, "Basic")
    led = closed.ask("/history?span=day", headers=HTML)
    assert (led.code, led.headers["location"]) == (303, "/login?next=/history%3Fspan%3Dday")
    assert closed.ask("/healthz").code == 200
    assert closed.ask("/login", headers=HTML).code == 200


def test_the_password_opens_a_session_that_can_be_left(closed: Served) -> None:
    code, headers, _ = enter(closed, PASSWORD)
    assert (code, headers["location"]) == (303, "/history")
    cookie = headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    session = {"Cookie": cookie.split(";")[0], **HTML}
    assert closed.ask("/", headers=session).code == 200
    assert closed.ask("/", headers={**HTML, "Cookie": "sidemirror=guessed"}).code == 303
    assert closed.ask("/logout", "POST", session).code == 303
    assert closed.ask("/", headers=session).code == 303


@pytest.mark.parametrize(
    "to", ["//evil.example", "https://evil.example", "/\\evil.example", "javascript:alert(1)", "/\r\nX: y"]
)
def test_the_login_leads_nowhere_else(closed: Served, to: str) -> None:
    code, headers, _ = enter(closed, PASSWORD, to)
    assert (code, headers["location"]) == (303, "/")


def test_wrong_passwords_are_braked_and_who_is_in_stays_in(besieged: Served) -> None:
    session = {"Cookie": enter(besieged, PASSWORD)[1]["set-cookie"].split(";")[0], **HTML}
    answers = [enter(besieged, wrong) for wrong in ("", "wrong", PASSWORD + " ", "☂", "x" * 3000)]
    assert [code for code, _, _ in answers] == [403] * 5
    assert "That is not the password." in answers[0][2]
    code, headers, body = enter(besieged, PASSWORD)
    assert code == 429, "now not even the right one is looked at"
    assert 0 < int(headers["retry-after"]) <= 60
    assert "Too many wrong passwords" in body
    assert besieged.ask("/metrics", headers=basic(PASSWORD)).code == 429
    assert besieged.ask("/", headers=session).code == 200


def test_a_device_that_was_in_before_has_a_brake_of_its_own(besieged: Served) -> None:
    device = f"{DEVICE_COOKIE}={Login(PASSWORD).new_device()}"
    assert [enter(besieged, "wrong")[0] for _ in range(6)] == [403] * 5 + [429]
    body = urlencode({"password": PASSWORD, "next": "/"})
    assert besieged.ask("/login", "POST", {**FORM, "Cookie": f"{DEVICE_COOKIE}=forged.{'0' * 64}"}, body).code == 429
    assert besieged.ask("/login", "POST", {**FORM, "Cookie": device}, body).code == 303


def test_half_sent_requests_keep_nobody_out_and_are_given_up(opened: Served) -> None:
    halves = [socket.create_connection(("127.0.0.1", opened.port), 20) for _ in range(210)]
    try:
        for number, half in enumerate(halves):
            with contextlib.suppress(OSError):  # the first ones are given up for the last ones
                half.sendall(
                    b"POST /login HTTP/1.1\r\nHost: localhost\r\n" + b"Content-Length: 9\r\n\r\n" * (number % 2)
                )
        assert opened.ask("/healthz").code == 200
        halves[-1].settimeout(120)
        with contextlib.suppress(ConnectionResetError):
            assert halves[-1].recv(1) == b""
    finally:
        for half in halves:
            half.close()


def test_a_program_gives_the_password_by_http_basic(besieged: Served) -> None:
    assert besieged.ask("/metrics", headers=basic(PASSWORD)).code == 200
    assert besieged.ask("/metrics", headers=basic("wrong")).code == 401
    for nonsense in ("Basic", "Basic !!!", "Bearer x", "Basic " + base64.b64encode(b"\xff\xfe").decode()):
        assert besieged.ask("/metrics", headers={"Authorization": nonsense}).code in (401, 429)


def test_a_form_from_elsewhere_is_refused(closed: Served) -> None:
    for origin in ("https://evil.example", "null", "http://127.0.0.1:1"):
        answer = closed.ask("/login", "POST", {**FORM, "Origin": origin}, urlencode({"password": PASSWORD}))
        assert answer.code == 403
    own = {**FORM, "Origin": closed.address}
    assert closed.ask("/login", "POST", own, urlencode({"password": PASSWORD})).code == 303


def test_a_body_without_end_is_not_read_into_memory(besieged: Served) -> None:
    assert enter(besieged, "x" * 2_000_000)[0] in (403, 429)
    assert besieged.memory() < 60_000_000


def test_settings_that_do_not_work_are_told(tmp_path: Path) -> None:
    environ = {"PATH": "/usr/bin", "PYTHONPATH": "/app", "STATE_DIR": str(tmp_path), "STATUS_PROT": "1"}
    result = subprocess.run(
        [sys.executable, "-m", "backup.page"], env=environ, capture_output=True, text=True, timeout=20
    )
    assert result.returncode == 2
    assert "STATUS_PROT: there is no such variable; did you mean STATUS_PORT?" in result.stderr


def test_too_many_streams_are_refused_and_the_page_still_answers(opened: Served) -> None:
    streams = []
    try:
        for _ in range(52):
            connection = http.client.HTTPConnection("127.0.0.1", opened.port, timeout=20)
            connection.request("GET", "/live")
            streams.append((connection, connection.getresponse()))
        assert [answer.status for _, answer in streams].count(503) == 2
        began = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            assert {answer.code for answer in pool.map(lambda _: opened.ask("/"), range(40))} == {200}
        assert time.monotonic() - began < 20
    finally:
        for connection, _ in streams:
            connection.close()


def test_a_view_that_is_no_database_is_not_an_error(tmp_path: Path) -> None:
    (tmp_path / "view.db").write_bytes(b"x" * 5000)
    (tmp_path / "status.json").write_text("{")
    (tmp_path / "events.jsonl").write_text("not json\n")
    with served(tmp_path) as page:
        for path in ("/", "/history", "/documents", "/metrics", "/data/charts", "/data/history"):
            assert page.ask(path, headers=HTML).code == 200
