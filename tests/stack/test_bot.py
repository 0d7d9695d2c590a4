"""The bot in its container: it talks to the stand-in of Telegram and to nothing else; any other bot does as well."""

from __future__ import annotations

import json
import re

import pytest
from fix_stack import NewStack
from stack import ROOT, TAG, Stack, poll, run
from test_isolation import connects
from test_settings import config

TOKEN = "123456:not-a-real-token"
SUM = """
import sqlite3
print(sqlite3.connect("/volumes/sqlite/words.db").execute("SELECT sum(said) FROM words").fetchone()[0])
"""


def test_the_bot_is_connected_to_the_stand_in_and_answers(stack: Stack) -> None:
    assert "connected: @sidemirror_bot at http://telegram:8081" in stack.compose("logs", "bot").stdout
    before = counted(stack).get("gifts_given", 0)
    poll("gifts are given", lambda: counted(stack).get("gifts_given", 0) > before)


def counted(stack: Stack) -> dict[str, int]:
    found: dict[str, int] = json.loads(stack.as_root("cat", "/volumes/json/data.json").stdout)["counters"]
    return found


def test_the_bot_reaches_the_stand_in_and_no_other_address(stack: Stack) -> None:
    assert connects(stack, "bot", "telegram", 8081)
    networks = stack.inspect("bot")["NetworkSettings"]["Networks"]
    assert sorted(networks) == [f"{stack.project}_chat", f"{stack.project}_presence"]
    told = json.loads(run(["docker", "network", "inspect", *networks]).stdout)
    assert [each["Internal"] for each in told] == [True, True]


def test_the_stand_ins_control_surface_is_closed(stack: Stack) -> None:
    listening = stack.host("telegram").check_output("cat /proc/net/tcp /proc/net/tcp6")
    ports = {int(found, 16) for found in re.findall(r":([0-9A-F]{4}) [0-9A-F:]+ 0A ", listening)}
    assert 8081 in ports
    assert len(ports - {8081}) <= 1  # Docker's own name server


def test_a_token_switches_to_telegram_and_the_stand_in_off(stack: Stack) -> None:
    services = config(stack, BOT_TOKEN=TOKEN)
    assert "telegram" not in services
    assert services["bot"]["environment"]["TELEGRAM_API_BASE"] == "https://api.telegram.org"
    assert services["bot"]["environment"]["BOT_TOKEN"] == TOKEN
    assert sorted(services["bot"]["networks"]) == ["bot", "presence"]
    assert [name for name in services if TOKEN in json.dumps(services[name])] == ["bot"]


def test_a_token_in_a_file_reaches_the_bot_as_a_file(stack: Stack) -> None:
    services = config(stack, BOT_TOKEN_FILE="/etc/bot-token")
    assert "telegram" not in services
    assert "BOT_TOKEN" not in services["bot"]["environment"]
    mounted = {each["target"]: each for each in services["bot"]["volumes"]}[
        services["bot"]["environment"]["BOT_TOKEN_FILE"]
    ]
    assert (mounted["source"], mounted["read_only"]) == ("/etc/bot-token", True)


def test_the_bot_loses_nothing_when_the_stand_in_is_started_anew(stack: Stack) -> None:
    stack.compose("restart", "telegram")
    poll("the stand-in is healthy", lambda: stack.health("telegram") == "healthy")
    before = counted(stack).get("messages_sent", 0)
    poll("the bot goes on", lambda: counted(stack).get("messages_sent", 0) > before + 5)
    assert stack.inspect("bot")["RestartCount"] == 0


def test_a_json_folder_that_cannot_be_written_puts_the_document_into_the_second_place(stack: Stack) -> None:
    stack.as_root("chmod", "0555", "/volumes/json")
    try:
        emergency = poll("the emergency copy", lambda: stack.as_root("ls", "/volumes/emergency").stdout.split())
        assert emergency == ["data.emergency.json"]
        copy = json.loads(stack.as_root("cat", "/volumes/emergency/data.emergency.json").stdout)
        assert copy["document"]["counters"]["gifts_given"] >= counted(stack)["gifts_given"]
        assert "the data is safe in /data/emergency" in stack.compose("logs", "--no-color", "bot").stdout
    finally:
        stack.as_root("chmod", "0750", "/volumes/json")
    poll("it is saved again, and the copy is gone", lambda: not stack.as_root("ls", "/volumes/emergency").stdout)
    assert counted(stack)["gifts_given"] >= copy["document"]["counters"]["gifts_given"]
    poll("the bot is well", lambda: stack.health("bot") == "healthy")


@pytest.fixture(scope="module")
def example(new_stack: NewStack, tmp_path_factory: pytest.TempPathFactory) -> Stack:
    """A stack with the ten-line bot of examples/ instead of the reference bot, built from its folder as the guide says."""
    override = tmp_path_factory.mktemp("example") / "docker-compose.override.yml"
    bot = {"build": {"context": str(ROOT / "examples/ten-lines"), "secrets": ["ca"]}}
    override.write_text(json.dumps({"services": {"bot": bot}}))
    files = f"{ROOT / 'docker-compose.yml'}:{override}"
    stack = new_stack("example", BOT_IMAGE=f"sidemirror/example-bot:{TAG}", SOURCE_NAME="words", COMPOSE_FILE=files)
    stack.script("up")
    return stack


def words(stack: Stack) -> int:
    """How many words have been counted in the mirror."""
    found = stack.try_sql("SELECT coalesce(sum(said), 0) FROM words_words.words")
    return int(found.stdout.strip() or 0) if found.returncode == 0 else 0


def test_ten_lines_of_another_library_are_mirrored_as_they_are(example: Stack) -> None:
    poll("the sidecar finds and mirrors words.db by itself", lambda: example.backup() and words(example) > 20)
    before = words(example)
    poll("and what is new in it", lambda: example.backup() and words(example) > before)


def test_what_the_ten_lines_wrote_comes_back(example: Stack) -> None:
    example.script("stop", "bot")
    example.backup()
    counted = words(example)
    example.as_root("rm", "-rf", "/volumes/sqlite", "/volumes/json")
    example.script("restore", "--yes")
    assert int(example.as_root("python3", "-c", SUM).stdout) == counted
