"""The answer in each state that a source can be in: the sentence, the colour, what is wrong; in a browser, for anyone."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import pytest
from fix_page import Served, Watched, backup, fill, poll, served, sidecar, told
from fix_source import Source

Look = Callable[..., Watched]
NewSource = Callable[..., Source]

# State, first words of the sentence, and what the page's title begins with.
SAID = {
    "safe": ("safe", "Safe: everything up to", "Safe"),
    "empty": ("empty", "Not yet: nothing was mirrored yet.", "Not yet"),
    "behind": ("late", "NOT SAFE: everything up to", "NOT SAFE"),
    "target down": ("wrong", "NOT SAFE: everything up to", "NOT SAFE"),
    "guard held": ("wrong", "NOT SAFE: everything up to", "NOT SAFE"),
    "drill failed": ("wrong", "NOT SAFE: everything up to", "NOT SAFE"),
    "password refused": ("stopped", "NOT SAFE: everything up to", "NOT SAFE"),
    "sidecar lost": ("lost", "NOT KNOWN: the sidecar has not been heard from for", "Not known"),
}


@contextmanager
def in_state(name: str, new_source: NewSource) -> Iterator[Served]:
    """A page of a source in this state, got there as in life; only time is helped."""
    source = new_source(GUARD_SHRINK="50%")
    if name != "empty":
        fill(source)
        assert backup(source, "once").returncode == 0
    if name == "guard held":
        source.write("DELETE FROM payment_history", "premium_system.db")
    if name == "target down":
        source.write("INSERT INTO requests (who, title) VALUES ('gil', 'Kafka')", "user_requests.db")
    if name == "drill failed":
        schema = source.read_state().database("premium_system.db").schema_name  # type: ignore[union-attr]
        source.target.query(f"DELETE FROM {schema}.payment_history WHERE id = 9")
        assert backup(source, "drill").returncode != 0
    environ = {"SUPABASE_DB_PORT": "9"} if name == "target down" else {}
    if name == "password refused":
        wrong = source.folder / "wrong password"
        wrong.write_text("not the password")
        environ = {"SUPABASE_DB_PASSWORD_FILE": str(wrong)}
    with sidecar(source, **environ) as process, served(source.state) as page:
        if name == "behind":
            poll("the first run came through", lambda: page.state() == "safe")
            status = told(source) | {"equal_at": _ago(hours=9)}
            (source.state / "status.json").write_text(json.dumps(status))
        if name == "sidecar lost":
            process.kill()
            process.wait()
            old = time.time() - 90
            (source.state / "alive").touch()
            os.utime(source.state / "alive", (old, old))
        poll(f"the state is {name}", lambda: page.state() == SAID[name][0])
        yield page


def _ago(**of: float) -> str:
    return (datetime.now(UTC) - timedelta(**of)).isoformat(timespec="seconds")


@pytest.mark.parametrize("name", SAID)
def test_the_answer_comes_first_in_words_and_in_colour(name: str, look: Look, new_source: NewSource) -> None:
    state, sentence, title = SAID[name]
    with in_state(name, new_source) as served_page:
        for width, dark in ((1280, False), (390, True)):
            watched = look(served_page, width, dark)
            page = watched.open()
            heading = page.locator("h1")
            assert heading.count() == 1
            assert heading.inner_text().startswith(sentence)
            assert page.title().startswith(title)
            assert page.locator(f".answer.{state}").count() == 1
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), (
                "nothing is wider than the screen"
            )
            assert watched.violations() == []
            watched.picture(f"{name.replace(' ', '-')}-{'phone-dark' if dark else 'desktop'}")
        if state in ("wrong", "stopped"):
            trouble = page.locator(".troubles")
            assert "Try: " in trouble.inner_text()
        if name == "target down":
            poll(
                "rows here are counted all the same",
                lambda: "user_requests.db" in page.locator("details:has(.tag.bad)").inner_text(),
            )
            assert re.search(r"\b6\b.*\b5\b", page.locator("tr.differs").inner_text().replace("\n", " "))
        if state in ("late", "lost"):
            assert "Try: " in page.locator("#answer").inner_text()
        if name == "empty":
            assert "let the bot write something" in page.locator("#answer").inner_text()
            assert page.locator(".chart").count() == 0
        if name == "guard held":
            assert "payment_history would go from" in page.locator(".troubles").inner_text()
            assert re.search(r"\b0\b.*\b418\b", page.locator("tr.differs").inner_text().replace("\n", " "))
