"""docs/recipes.md: every query, run as it stands on rows that are known, against the answer that a person would expect."""

from __future__ import annotations

import json
import re
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from bot.premium_schema import SCHEMA as PREMIUM
from bot.requests import SCHEMA as REQUESTS
from fix_source import Source
from fix_target import Target

PAGE = Path(__file__).resolve().parents[2] / "docs/recipes.md"
RECIPES = {
    heading: re.findall(r"```sql\n(.*?)```", text, re.S)
    for heading, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE.read_text(encoding="utf-8"), re.M | re.S)
}
NOW = int(time.time())
DAY = 86_400
MONDAY = datetime(2026, 11, 2, tzinfo=UTC)

Answer = list[tuple[Any, ...]]


def at(days: float) -> int:
    """Unix seconds, so many days after that Monday."""
    return int((MONDAY + timedelta(days=days)).timestamp())


@pytest.fixture(scope="module")
def mirror(target: Target, tmp_path_factory: pytest.TempPathFactory) -> Target:
    """Three runs of a source named bot; the first is moved to before yesterday, the second to yesterday."""
    source = Source(tmp_path_factory.mktemp("recipes"), target, SOURCE_NAME="bot")
    source.write(PREMIUM, "premium_system.db")
    source.write(REQUESTS, "user_requests.db")
    source.write(
        "INSERT INTO payment_history VALUES "
        f"(1, 7, 'a', 100, 'completed', {at(0)}), (2, 7, 'b', 50, 'completed', {at(6.99)}), "
        f"(3, 8, 'c', 70, 'completed', {at(7)}), (4, 7, 'b', 50, 'refunded', {at(7.5)});"
        "INSERT INTO premium_subscriptions (id, owner_id, group_id, payment_id, telegram_payment_charge_id, "
        "stars_amount, created_at, expires_at, is_active) VALUES "
        f"(1, 7, -1, 'a', 't', 100, 0, {NOW + 5 * DAY - 60}, 1), (2, 7, -2, 'b', 't', 50, 0, {NOW - 60}, 1), "
        f"(3, 8, -3, 'c', 't', 70, 0, {NOW + DAY}, 0), (4, 8, -4, 'd', 't', 70, 0, NULL, 1);"
        "INSERT INTO refunds "
        "(id, subscription_id, owner_id, group_id, payment_id, stars_amount, refund_reason, refunded_at) "
        f"VALUES (1, 2, 7, -2, 'b', 50, 'too loud', {at(7.5)});",
        "premium_system.db",
    )
    source.write(
        f"INSERT INTO command_requests VALUES (7, -1, 'gift', 0, {NOW - 60}), (8, -1, 'gift', 0, {NOW - 120}), "
        f"(7, -1, 'stats', 0, {NOW - 90}), (8, -1, 'old', 0, {NOW - 8 * DAY});",
        "user_requests.db",
    )
    document = {"version": 1, "counters": {"starts": 3, "gifts": 12}, "users": {"7": {"language": "de"}}}
    (source.json / "data.json").write_text(json.dumps(document))
    source.run()
    source.write(
        "UPDATE refunds SET status = 'completed' WHERE id = 1; "
        "INSERT INTO refunds (id, subscription_id, owner_id, group_id, payment_id, stars_amount, refunded_at) "
        "VALUES (2, 1, 7, -1, 'a', 100, 0);",
        "premium_system.db",
    )
    source.write("DELETE FROM command_requests WHERE command_name = 'old'", "user_requests.db")
    source.run()
    source.write(f"INSERT INTO payment_history VALUES (5, 9, 'e', 'much', 'pending', {at(0)});", "premium_system.db")
    source.write("DELETE FROM refunds WHERE id = 2;", "premium_system.db")
    source.run()
    target.query("UPDATE sidemirror.runs SET finished_at = now() - interval '3 days' WHERE run = 1")
    target.query("UPDATE sidemirror.runs SET finished_at = date_trunc('day', now()) - interval '1 hour' WHERE run = 2")
    return target


def seconds(value: int) -> datetime:
    return datetime.fromtimestamp(value, UTC).replace(tzinfo=None)


EXPECTED: dict[str, list[Answer]] = {
    "Money": [
        [(date(2026, 11, 9), 1, 70, 50), (date(2026, 11, 2), 2, 150, 0)],
        [(7, 2, 150), (8, 1, 70)],
        [(1, 7, 50, "too loud", "completed", seconds(at(7.5)))],
    ],
    "Premium groups": [[(-1, 7, 5), (-4, 8, None)]],
    "What people do": [
        [("gift", 2, seconds(NOW - 60)), ("stats", 1, seconds(NOW - 90))],
        [("gifts", 12), ("starts", 3)],
        [("7", "language", "de")],
    ],
    "What changed": [
        [
            ("premium_system.db", "refunds", "inserted", 1),
            ("premium_system.db", "refunds", "updated", 1),
            ("user_requests.db", "command_requests", "deleted", 1),
        ],
        [("1", "inserted", None, "completed")],
        [(5, {"stars_amount": {"text": "much"}})],
    ],
}


def test_every_query_of_the_page_has_an_answer_here() -> None:
    assert {heading: len(queries) for heading, queries in RECIPES.items() if queries} == {
        heading: len(answers) for heading, answers in EXPECTED.items()
    }


@pytest.mark.parametrize(
    ("heading", "number"), [(h, n) for h, answers in EXPECTED.items() for n in range(len(answers))]
)
def test_a_query_gives_what_a_person_would_expect(mirror: Target, heading: str, number: int) -> None:
    found = mirror.query(RECIPES[heading][number].replace("%", "%%"))
    assert found == EXPECTED[heading][number]
