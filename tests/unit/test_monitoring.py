"""Dashboard, alert rules and the page about them name metrics that there are, and the page leaves none out."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families

from backup import outcome
from backup.outcome import Outcome, Trouble
from backup.page import metrics
from backup.view import store

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / "docs/monitoring"

# What Prometheus adds to the names by itself, or is a word of its language.
NAME = re.compile(r"\bsidemirror_[a-z_]+")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A state folder in which everything that has a metric is there."""
    at = "2026-11-22T01:00:00+00:00"
    outcome.write(
        tmp_path,
        Outcome(
            equal_at=at,
            run=2,
            troubles=(Trouble("bot.db", "what", "hint", at, "GuardHeld"),),
            remarks=(Trouble("a.db", "an index is out of step", "REINDEX", "2026-01-01T00:00:00+00:00", "Remark"),),
        ),
    )
    (tmp_path / "alive").touch()
    with store.writing(tmp_path, "a target") as view:
        store.set_facts(view, size_limit=500, limit_seconds=60)
        view.execute("INSERT INTO tables VALUES (1, 'bot.db', 'a \"table\"\n', 0, 3, 3, 1, 1.0, 4096, 1, '[]', 1.0, 3)")
        view.execute("INSERT INTO databases VALUES ('bot.db', 8192, NULL)")
        view.execute("INSERT INTO points VALUES (2, 1.0, 'run', 3, 0, 0, 0, 0)")
        view.execute("INSERT INTO tries VALUES (1.0, 2, 1, 0.1, 2000, 0.5)")
        view.execute("INSERT INTO sizes VALUES (1.0, 400)")
        view.execute("INSERT INTO drills VALUES (1.0, 2, 1, 4.1, NULL)")
        view.executemany(
            "INSERT INTO counters VALUES (?, 1)",
            [
                (name,)
                for name in ("runs", "runs_committed", "rows_upserted", "rows_deleted", "documents", "bytes_sent")
            ],
        )
    return tmp_path


@pytest.fixture
def known(state: Path) -> dict[str, str]:
    """Every sample's name, with what it is."""
    families = text_string_to_metric_families(metrics.exposition(state).decode())
    return {sample.name: family.documentation for family in families for sample in family.samples}


def test_names_and_units_are_as_the_custom_is(known: dict[str, str]) -> None:
    assert all(told.endswith(".") for told in known.values())
    for name in known:
        assert re.fullmatch(r"sidemirror_[a-z]+(_[a-z]+)*", name)
        assert not re.search(r"_(ms|milliseconds|minutes|hours|mb|kb|percent)(_|$)", name)


def test_the_page_lists_every_metric_and_no_other(known: dict[str, str]) -> None:
    table = dict(re.findall(r"^\| `(sidemirror_[a-z_]+)` \| (.*) \|$", (ROOT / "docs/page.md").read_text(), re.M))
    assert table == known


def test_the_dashboard_asks_for_metrics_that_there_are(known: dict[str, str]) -> None:
    dashboard = json.loads((FOLDER / "dashboard.json").read_text())
    asked = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
    assert asked
    assert {name for expression in asked for name in NAME.findall(expression)} - set(known) == set()


def test_the_alert_rules_ask_for_metrics_that_there_are_and_say_what_to_do(known: dict[str, str]) -> None:
    rules = [rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]]
    assert len(rules) >= 8
    for rule in rules:
        assert set(NAME.findall(rule["expr"])) - set(known) == set()
        assert NAME.findall(rule["expr"])
        assert rule["annotations"]["summary"]
        assert rule["annotations"]["description"]


def test_an_exposition_of_an_empty_state_folder_says_that_nothing_is_safe(tmp_path: Path) -> None:
    families = text_string_to_metric_families(metrics.exposition(tmp_path).decode())
    found = {sample.name: sample.value for family in families for sample in family.samples}
    assert (found["sidemirror_safe"], found["sidemirror_sidecar_up"]) == (0, 0)
    assert "sidemirror_freshness_seconds" not in found
