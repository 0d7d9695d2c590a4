"""The fault suite: a whole Sidemirror on real containers, broken in every way that we know."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from ground import SMALL_STATE, Ground
from stack import Stack


@pytest.fixture(scope="session")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    settings = {
        "BACKUP_EVERY": "3s",
        # One that met a fault is made again after an hour, and tells of it for as long.
        "DRILL_EVERY": "off",
        "ALERT_URLS": "json://hook:8080",
        "ALERT_AFTER": "1s",
        "COMPOSE_FILE": SMALL_STATE,
    }
    project = os.environ.get("SIDEMIRROR_TEST_PROJECT", f"sidemirror-test-{os.getpid()}")
    scratch = Path(os.environ.get("SIDEMIRROR_TEST_SCRATCH") or tmp_path_factory.mktemp("faults"))
    # Several tests run at the same time, and each worker has a stack of its own.
    name = f"faults-{os.environ.get('PYTEST_XDIST_WORKER', 'alone')}"
    made = Ground(Stack(f"{project}-{name}", scratch / name, **settings))
    try:
        made.start()
        yield made
    finally:
        made.destroy()


@pytest.fixture(autouse=True)
def _alerts_of_this_test_alone(ground: Ground) -> None:
    ground.rest()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """The containers' last lines belong to a failure."""
    result = yield
    report = result.get_result()  # type: ignore[attr-defined]
    found = getattr(item, "funcargs", {}).get("ground")
    if report.failed and report.when == "call" and isinstance(found, Ground):
        report.sections.append(("containers", found.stack.logs()))
        report.sections.append(("alerts", "\n".join(alert["message"] for alert in found.alerts())))
