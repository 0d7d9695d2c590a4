"""The status page in its container: it answers on this machine, shows what runs, can reach nobody and write nothing."""

from __future__ import annotations

import http.client
import json

import pytest
from stack import Stack, poll
from test_isolation import connects


def ask(stack: Stack, path: str, **headers: str) -> tuple[int, str]:
    host, _, port = stack.compose("port", "page", "8080").stdout.strip().rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request("GET", path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


def test_it_says_that_the_running_stack_is_safe_and_shows_its_tables(stack: Stack) -> None:
    poll("the page knows", lambda: json.loads(ask(stack, "/healthz")[1])["safe"])
    code, home = ask(stack, "/")
    home = home.replace("<wbr>", "")
    assert code == 200
    for shown in ("premium_system.db", "payment_history", "user_requests.db", "data.json", "the local stand-in"):
        assert shown in home


def test_metrics_can_be_read_by_the_name_of_the_service(stack: Stack) -> None:
    code, text = ask(stack, "/metrics", Host="page:8080")
    assert code == 200
    assert "\nsidemirror_sidecar_up 1.0\n" in text


def test_what_the_browser_loads_is_in_the_image(stack: Stack) -> None:
    for name in ("style.css", "page.js", "charts.js", "vendor/uPlot.iife.min.js", "vendor/uPlot.min.css", "icon.svg"):
        assert ask(stack, f"/static/{name}")[0] == 200


@pytest.mark.parametrize("service", ["postgres", "backup", "bot"])
def test_it_can_reach_no_other_service(stack: Stack, service: str) -> None:
    networks = stack.inspect(service)["NetworkSettings"]["Networks"]
    for target in [service, *(network["IPAddress"] for network in networks.values())]:
        assert not connects(stack, "page", target, 5432)


def test_its_network_has_no_way_out(stack: Stack) -> None:
    [network] = stack.inspect("page")["NetworkSettings"]["Networks"]
    assert network == f"{stack.project}_page"


def test_it_cannot_write_to_anything_that_lasts(stack: Stack) -> None:
    host = stack.host("page")
    for folder in ("/state", "/run/secrets", "/app", "/"):
        assert host.run(f"touch {folder}/probe").failed
    mounts = {mount["Destination"]: mount["RW"] for mount in stack.inspect("page")["Mounts"]}
    assert mounts == {"/state": False, "/run/secrets": False}


def test_it_is_given_no_password_of_the_target(stack: Stack) -> None:
    environ = "\n".join(stack.inspect("page")["Config"]["Env"])
    assert "SUPABASE" not in environ
    assert stack.host("page").check_output("ls /run/secrets") == "status_password"


def test_a_password_in_the_settings_closes_it(private: Stack) -> None:
    closed = Stack(private.project, private.volumes, STATUS_PASSWORD="let me in")
    closed.compose("up", "--detach", "--wait", "page")
    assert ask(closed, "/metrics")[0] == 401
    assert ask(closed, "/healthz")[0] == 200
    assert "let me in" not in json.dumps(closed.inspect("page"))
