"""Fixtures: a running stack for the whole session, and folders for stacks of a test's own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from stack import Stack

NewStack = Callable[..., Stack]


@contextmanager
def making(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewStack]:
    """Makes stacks that are not started yet; whatever becomes of them, they are taken away at the end."""
    prefix = os.environ.get("SIDEMIRROR_TEST_PROJECT", f"sidemirror-test-{os.getpid()}")
    scratch = Path(os.environ.get("SIDEMIRROR_TEST_SCRATCH") or tmp_path_factory.mktemp("stacks"))
    # Several files of tests run at the same time, and each worker has stacks of its own.
    worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
    prefix, scratch = f"{prefix}-{worker}", scratch / worker
    made: list[Stack] = []

    def make(name: str, **settings: str) -> Stack:
        stack = Stack(f"{prefix}-{name}", scratch / name, **settings)
        made.append(stack)
        return stack

    yield make
    for stack in made:
        stack.destroy()


@pytest.fixture(scope="module")
def new_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[NewStack]:
    """As `making`, for a module: a stack that nobody needs any more takes memory from the others."""
    with making(tmp_path_factory) as make:
        yield make


@pytest.fixture(scope="session")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Everything running, started by the command that a newcomer types; one run has been made."""
    with making(tmp_path_factory) as make:
        stack = make("running", SIDEMIRROR_BUILD="on")
        try:
            stack.script("up")
            stack.backup()
        except AssertionError as error:
            pytest.fail(f"{error}\n{stack.logs()}", pytrace=False)
        yield stack


@pytest.fixture
def private(new_stack: NewStack, request: pytest.FixtureRequest) -> Iterator[Stack]:
    """A stack of the test's own, not started; gone with the test."""
    stack = new_stack(request.node.originalname.removeprefix("test_").replace("_", "-")[:40])
    yield stack
    stack.destroy()


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """The containers' last lines belong to a failure."""
    outcome = yield
    report = outcome.get_result()  # type: ignore[attr-defined]
    if report.failed and report.when == "call":
        for name in ("stack", "private", "gate"):
            found = getattr(item, "funcargs", {}).get(name)
            if isinstance(found, Stack):
                report.sections.append((f"containers of {found.project}", found.logs()))
