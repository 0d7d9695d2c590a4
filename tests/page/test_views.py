"""Every view with a real sidecar behind it: what it shows, that data is never more than text, that it is live."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from fix_page import Served, Watched, backup, fill, poll, served, sidecar
from fix_source import Source

from backup.view import store

Look = Callable[..., Watched]

HOSTILE = (
    """<script>document.title='taken'</script><img src=x onerror="document.title='taken'">'"&{{ 1234567*89 }}{% x %}"""
)


@dataclass
class Running:
    source: Source
    page: Served


@pytest.fixture(scope="module")
def running(new_source: Callable[..., Source]) -> Iterator[Running]:
    """A bot's life with a drill, a guard that held and was accepted, and names that nobody should have chosen."""
    source = new_source(GUARD_SHRINK="50%")
    fill(source)
    hostile = HOSTILE.replace('"', '""')
    source.write(f'CREATE TABLE "{hostile}" (i INTEGER, "{hostile}" TEXT);', "hostile.db")
    with source.database("hostile.db") as database:
        database.execute(f'INSERT INTO "{hostile}" VALUES (?, ?)', (HOSTILE, HOSTILE))
    document = source.json / "chat <b>bold<b> '&.json"
    document.write_text(json.dumps({"welcome": HOSTILE, "kept": 1}))
    assert backup(source, "once").returncode == 0
    document.write_text(json.dumps({"welcome": "safe again", "kept": 1, "new": HOSTILE}))
    source.write("DELETE FROM payment_history WHERE id > 9", "premium_system.db")
    assert backup(source, "once").returncode == 6
    assert backup(source, "accept").returncode == 0
    assert backup(source, "drill").returncode == 0
    assert backup(source, "once", "--full").returncode == 0
    with sidecar(source), served(source.state) as page:
        poll("it is safe", lambda: page.state() == "safe")
        yield Running(source, page)


def addresses(page: Served) -> list[str]:
    """All the views: those that the pages link to, two steps from home."""
    found = {"/", "/history", "/documents"}
    for _ in range(2):
        for path in sorted(found):
            links = re.findall(r'href="(/[^"#]*)', page.ask(path).body)
            found |= {link.replace("&amp;", "&") for link in links if not link.startswith(("/static", "/metrics"))}
    return sorted(found)


def test_every_view_of_hostile_data_is_text_and_without_fault(running: Running, look: Look) -> None:
    every = addresses(running.page)
    kinds = {re.sub(r"\d+", "N", path.split("?")[0]) for path in every}
    assert kinds == {"/", "/history", "/history/N", "/tables/N", "/documents", "/documents/N"}
    watched = look(running.page)
    seen = set()
    for path in every:
        page = watched.open(path)
        assert page.title() != "taken"
        assert page.locator("main script, main img, main b").count() == 0
        assert str(1234567 * 89) not in page.locator("main").inner_text()
        kind = re.sub(r"\d+", "N", path.split("?")[0])
        if kind not in seen:
            seen.add(kind)
            assert watched.violations() == []
            watched.picture(f"view{kind.replace('/', '-').replace('-N', '-one')}")


def test_a_phone_shows_every_view_without_scrolling_sideways(running: Running, look: Look) -> None:
    watched = look(running.page, 390, dark=True)
    for path in ("/", "/history", "/history/2", "/documents", "/documents/1", "/tables/1"):
        page = watched.open(path)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), path
        assert watched.violations() == []
    watched.open("/history")
    watched.page.wait_for_selector("[data-chart=history] canvas")
    watched.picture("history-phone-dark")


def test_a_restore_point_says_what_changed_since_and_how_to_have_it_back(running: Running, look: Look) -> None:
    page = look(running.page).open("/history/1")
    since = page.get_by_role("table").first.inner_text()
    assert re.search(r"payment_history.*\t0\t0\t\W\d+\t421\t\d+", since)
    assert re.search(r"requests.*\t\+2\t0\t0\t3\t5", since)
    assert page.get_by_role("link", name="data.json").count() == 1
    page.get_by_role("button", name="Copy the command: Into a folder").click()
    assert page.evaluate("navigator.clipboard.readText()") == "./sidemirror restore --run 1 --into rescued"
    assert page.get_by_role("button", name="Copied").count() == 1


def test_the_line_of_time_has_points_bars_drills_and_guards(running: Running, look: Look) -> None:
    watched = look(running.page)
    page = watched.open("/history?span=day")
    page.wait_for_selector("[data-chart=history] canvas")
    happened = page.locator(".events").inner_text()
    assert "drill" in happened
    assert "would go from" in happened
    rows = page.get_by_role("row").all_inner_texts()
    assert [row.split("\t")[-1] for row in rows].count("yes") == 1
    assert len(rows) >= 7
    drawn = json.loads(running.page.ask("/data/history?span=day").body)
    assert sum(drawn["bars"][1]) > 500
    assert {group for _, group, _ in drawn["marks"]} >= {"drill", "guard"}
    watched.picture("history-desktop")
    over = page.locator("[data-chart=history] .u-over")
    over.click(position={"x": over.evaluate("one => one.clientWidth") - 4, "y": 60})
    page.wait_for_url(re.compile("day="))
    assert page.get_by_role("row").count() >= 7, "the restore points of the day that was chosen"


def test_two_versions_of_a_document_are_compared_line_by_line(running: Running, look: Look) -> None:
    watched = look(running.page)
    page = watched.open("/documents")
    page.get_by_role("link", name="data.json").click()
    out, put = (page.locator(f"tr.{kind}").all_inner_texts() for kind in ("out", "put"))
    assert [line.split("\t")[2:] for line in out][0:1] == [["-", '  "welcome": "Hello!",']]
    assert [line.split("\t")[2:] for line in put] == [["+", '  "welcome": "Hi!",'], ["+", '      "language": "de",']]
    watched.picture("document-desktop")


def test_large_documents_are_compared_and_the_page_stays_small(new_source: Callable[..., Source], look: Look) -> None:
    source = new_source()
    content = {f"group {n}": {"language": "en", "title": f"a group of number {n}"} for n in range(11_000)}
    document = source.json / "large.json"
    for word in ("before", "after"):
        content["group 0"]["language"] = content["group 10999"]["language"] = word
        document.write_text(json.dumps(content))
        assert 700_000 < document.stat().st_size < 1_000_000
        source.run()
    with served(source.state) as page_of_its_own:
        page = look(page_of_its_own).open("/documents/1")
        changed = {kind: page.locator(f"tr.{kind}").all_inner_texts() for kind in ("out", "put")}
        assert [line.split("\t")[3].strip() for line in changed["out"]] == ['"language": "before",'] * 2
        assert [line.split("\t")[3].strip() for line in changed["put"]] == ['"language": "after",'] * 2
        assert page.locator("tr.fold").all_inner_texts() == ["\t\t…\t43,989 lines the same"]
        assert page_of_its_own.memory() < 60_000_000


def test_a_version_that_is_not_kept_any_more_is_not_said_to_have_been_missing(
    new_source: Callable[..., Source],
) -> None:
    source = new_source()
    for number in range(store.VERSIONS + 1):
        (source.json / "often.json").write_text(json.dumps({"n": number}))
        source.run()
    (source.json / "late.json").write_text("{}")
    source.run()
    with served(source.state) as page_of_its_own:
        shown = page_of_its_own.ask("/history/1").body
        assert re.search("often.json</a>; how it was then is not kept here", shown)
        assert re.search("late.json</a>, not there then", shown)


def test_exceptions_are_shown_with_their_key_and_value(running: Running, look: Look) -> None:
    page = look(running.page).open("/")
    page.locator("details", has_text="hostile.db").get_by_role("link").first.click()
    page.wait_for_url(re.compile("/tables/"))
    examples = page.get_by_role("group", name="Examples of exceptions").inner_text()
    assert "[1]" in examples
    assert "document.title='taken'" in examples
    assert "Rows afterwards" in page.get_by_role("table").last.inner_text()


def test_everything_can_be_reached_by_keyboard(running: Running, look: Look) -> None:
    page = look(running.page).open("/")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.id") == "main"
    page.keyboard.press("Tab")
    reached = set()
    for _ in range(60):
        reached.add(page.evaluate("document.activeElement.outerHTML.slice(0, 300)"))
        page.keyboard.press("Tab")
    assert any("payment_<wbr>history" in one for one in reached)
    assert any("<summary" in one for one in reached)
    assert any("/documents/1" in one for one in reached)


def test_a_run_is_on_the_page_without_reloading_and_the_place_is_kept(running: Running, look: Look) -> None:
    page = look(running.page).open("/")
    page.locator("details").first.evaluate("one => { one.open = false }")
    before = int(page.locator(".figures a").inner_text())
    running.source.write("INSERT INTO requests (who, title) VALUES ('fay', 'Momo')", "user_requests.db")
    assert backup(running.source, "once").returncode == 0
    poll("the run is on the page", lambda: int(page.locator(".figures a").inner_text()) > before)
    assert page.locator("details").first.evaluate("one => one.open") is False
    assert page.evaluate("performance.getEntriesByType('navigation')[0].type") == "navigate"


def test_a_page_that_lost_its_server_says_so_and_greys_out(running: Running, look: Look) -> None:
    with served(running.source.state) as page_of_its_own:
        watched = look(page_of_its_own)
        page = watched.open("/")
        assert page.locator("#lost").is_hidden()
        page_of_its_own.process.kill()
        page.wait_for_selector("#lost:not([hidden])", timeout=30_000)
        assert "lost its server" in page.locator("#lost").inner_text()
        assert "grayscale" in page.locator("main").evaluate("one => getComputedStyle(one).filter")
        # The browser itself tells in its console that the stream broke.
        watched.wrong[:] = [one for one in watched.wrong if "/live" not in one and "ERR_" not in one]


def test_a_page_whose_sidecar_goes_away_greys_out_by_itself(running: Running, look: Look, tmp_path: Path) -> None:
    state = shutil.copytree(running.source.state, tmp_path / "state", ignore=shutil.ignore_patterns("shadow"))
    (state / "alive").touch()
    with served(state) as page_of_its_own:
        page = look(page_of_its_own).open("/")
        assert page.locator(".answer.safe").count() == 1
        os.utime(state / "alive", (time.time() - 300, time.time() - 300))
        page.wait_for_selector("html[data-state=lost] .answer.lost")
        assert page.locator("h1").inner_text().startswith("NOT KNOWN: the sidecar has not been heard from")
        assert "grayscale" in page.locator(".figures").evaluate("one => getComputedStyle(one).filter")
        (state / "alive").touch()
        page.wait_for_selector("html[data-state=safe] .answer.safe")


def test_the_password_is_asked_for_before_anything_is_shown(running: Running, look: Look) -> None:
    with served(running.source.state, STATUS_PASSWORD="open sesame") as closed:
        watched = look(closed, 390)
        page = watched.open("/history/1")
        assert running.source.name not in page.content()
        assert watched.violations() == []
        page.get_by_label("Password").fill("open sesame")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile(r":\d+/history/1$"))
        assert page.locator("h1").inner_text().startswith("Restore point 1")
        page.get_by_role("button", name="Leave").click()
        page.wait_for_url(re.compile("/login"))
        assert page.goto(closed.address + "/").url.endswith("/login?next=/")  # type: ignore[union-attr]
