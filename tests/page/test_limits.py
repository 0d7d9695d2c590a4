"""The page at its limits: 10,000 restore points, and readers who never rest."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from fix_page import Served, served

from bench import page as bench_page

MOST_SECONDS = 0.1
MOST_BYTES = 60_000_000


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    state: Path = tmp_path_factory.mktemp("full")
    bench_page.fill(state)
    with served(state) as page:
        yield page


@pytest.mark.parametrize("path", bench_page.VIEWS.values())
def test_a_view_of_ten_thousand_restore_points_is_there_in_a_tenth_of_a_second(full: Served, path: str) -> None:
    def p95() -> float:
        times = []
        for _ in range(40):
            began = time.monotonic()
            assert full.ask(path).code == 200
            times.append(time.monotonic() - began)
        return sorted(times)[37]

    # The machine may be busy with other tests: the best of a few rounds is the page's own.
    assert any(p95() < MOST_SECONDS for _ in range(5))


def test_it_stays_small_however_much_is_asked_of_it(full: Served) -> None:
    paths = [*bench_page.VIEWS.values()] * 10
    with ThreadPoolExecutor(8) as pool:
        assert {answer.code for answer in pool.map(full.ask, paths)} == {200}
    assert full.memory() < MOST_BYTES
