"""Gift requests, commands and message ownership on a real database."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from bot.requests import Requests
from bot.rules import DAY, Keep

NOW = 1_800_000_000 - 1_800_000_000 % 60
PERSON, CHAT = 5_000_000_001, -1_001_234_567_890


@pytest.fixture
def requests(tmp_path) -> Iterator[Requests]:
    opened = Requests(tmp_path)
    yield opened
    opened.file.close()


def _rows(requests: Requests, table: str) -> list[tuple[object, ...]]:
    return requests.file.connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3").fetchall()


def test_a_gift_can_be_asked_for_once_a_minute(requests):
    given = [requests.request_gift(PERSON, CHAT, "Plush Pepe", NOW + each) for each in (0, 1, 59, 60, 119, 120)]
    assert given == [True, False, False, True, False, True]
    assert _rows(requests, "user_requests") == [(PERSON, CHAT, "Plush Pepe", NOW // 60 + 2)]


def test_the_minute_counts_for_each_person_chat_and_gift_by_itself(requests):
    hostile = "'; DROP TABLE user_requests; -- 🎁" * 100
    for person, chat, gift in (
        (1, 1, "a"),
        (2, 1, "a"),
        (1, 2, "a"),
        (1, 1, "b"),
        (1, 1, hostile),
        (1, 1, ""),
    ):
        assert requests.request_gift(person, chat, gift, NOW)
        assert not requests.request_gift(person, chat, gift, NOW)
    assert len(_rows(requests, "user_requests")) == 6


def test_the_rule_holds_across_a_restart(tmp_path):
    for expected in (True, False):
        requests = Requests(tmp_path)
        assert requests.request_gift(PERSON, CHAT, "a", NOW) is expected
        requests.file.close()


def test_a_command_keeps_the_time_of_its_last_use(requests):
    requests.log_command(PERSON, CHAT, "/start", NOW)
    requests.log_command(PERSON, CHAT, "/gift", NOW + 1)
    requests.log_command(PERSON, CHAT, "/start", NOW + 61)
    assert _rows(requests, "command_requests") == [
        (PERSON, CHAT, "/gift", NOW // 60, NOW + 1),
        (PERSON, CHAT, "/start", NOW // 60 + 1, NOW + 61),
    ]


def test_a_message_has_its_owner_in_its_chat_only(requests):
    requests.own_message(7, CHAT, PERSON, NOW)
    assert requests.owner_of(7, CHAT) == PERSON
    assert requests.owner_of(7, CHAT - 1) is None
    assert requests.newest_message() == 7


def test_deleting_a_message_takes_the_linked_ones_along(requests):
    for message in (7, 8, 9, 10):
        requests.own_message(message, CHAT, PERSON, NOW)
    requests.link_messages(7, CHAT, 9, PERSON, NOW)
    requests.link_messages(7, CHAT, 8, PERSON, NOW)
    requests.link_messages(7, CHAT - 1, 10, PERSON, NOW)
    assert requests.linked_to(7, CHAT) == [8, 9]
    assert requests.delete_message(7, CHAT, PERSON) == [7, 8, 9]
    assert _rows(requests, "message_owners") == [(10, CHAT, PERSON, NOW)]
    assert _rows(requests, "linked_messages") == [(7, CHAT - 1, 10, PERSON, NOW)]


def test_nobody_but_the_owner_deletes_a_message(requests):
    requests.own_message(7, CHAT, PERSON, NOW)
    assert requests.delete_message(7, CHAT, PERSON + 1) == []
    assert requests.delete_message(8, CHAT, PERSON) == []
    assert _rows(requests, "message_owners") == [(7, CHAT, PERSON, NOW)]


def test_linking_or_owning_twice_is_the_same_as_once(requests):
    for _ in range(2):
        requests.own_message(7, CHAT, PERSON, NOW)
        requests.link_messages(7, CHAT, 8, PERSON, NOW)
    assert _rows(requests, "message_owners") == [(7, CHAT, PERSON, NOW)]
    assert _rows(requests, "linked_messages") == [(7, CHAT, 8, PERSON, NOW)]


def test_clean_up_deletes_what_is_older_than_its_kind_is_kept(requests):
    keep = Keep(gift_requests=60, commands=DAY, messages=2 * DAY)
    for age, name in ((60, "kept"), (121, "old")):
        requests.request_gift(PERSON, CHAT, name, NOW - age)
    for age, name in ((DAY, "kept"), (DAY + 1, "old")):
        requests.log_command(PERSON, CHAT, name, NOW - age)
    for age, message in ((2 * DAY, 1), (2 * DAY + 1, 2)):
        requests.own_message(message, CHAT, PERSON, NOW - age)
        requests.link_messages(message, CHAT, 9, PERSON, NOW - age)
    assert requests.clean_up(NOW, keep) == 4
    assert [row[2] for row in _rows(requests, "user_requests")] == ["kept"]
    assert [row[2] for row in _rows(requests, "command_requests")] == ["kept"]
    assert [row[0] for row in _rows(requests, "message_owners")] == [1]
    assert [row[0] for row in _rows(requests, "linked_messages")] == [1]
    assert requests.clean_up(NOW, keep) == 0
