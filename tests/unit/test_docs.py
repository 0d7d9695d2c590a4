"""What the documentation names is there: commands, variables, links, exit codes, files."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from backup.wrong import OWN_KINDS
from mirror.errors import SidemirrorError

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

import errors as pages_of_errors  # noqa: E402
import variables  # noqa: E402

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


def help_text() -> str:
    return subprocess.run([ROOT / "sidemirror", "help"], check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_command_is_in_the_scripts_help(page: Path) -> None:
    named = set(re.findall(r"\./sidemirror ([a-z-]+)", page.read_text(encoding="utf-8")))
    assert named - set(re.findall(r"\./sidemirror ([a-z-]+)", help_text())) == set()


def test_the_scripts_help_names_the_commands_that_there_are() -> None:
    script = (ROOT / "sidemirror").read_text(encoding="utf-8")
    cases = script[script.index("case $command in") :]
    there = {name for line in re.findall(r"^    ([a-z |-]+)\)", cases, re.M) for name in line.split(" | ")}
    assert set(re.findall(r"^  \./sidemirror ([a-z-]+)", help_text(), re.M)) == there - {"--help", "-h"}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, heading = target.partition("#")
        if re.match(r"[a-z]+:", target):
            continue
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (heading and heading not in headings(file)):
            broken.append(target)
    assert broken == []


def headings(page: Path) -> set[str]:
    """As GitHub makes the anchors."""
    found = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_every_variable_that_is_named_exists(page: Path) -> None:
    known = {variable.name for _, section in variables.env_example() for variable in section}
    known |= set(re.findall(r"`([A-Z_]+)`", variables.text()))
    text = page.read_text(encoding="utf-8")
    named = set(re.findall(r"\b(?:SUPABASE|BACKUP|BOT|SQLITE|JSON|STATE|TARGET|STAND_IN|SIDEMIRROR)_[A-Z_]+\b", text))
    assert named - known - {"SIDEMIRROR_NO_INSTALL", "SIDEMIRROR_BUILD", "BOT_TOKEN"} == set()


def test_every_variable_of_the_compose_files_is_in_env_example_and_the_other_way_round() -> None:
    described = {variable.name for _, section in variables.env_example() for variable in section}
    assert variables.compose_names() == described


def test_the_page_of_variables_is_up_to_date() -> None:
    page = (ROOT / "docs/variables.md").read_text(encoding="utf-8")
    assert page == variables.text(), "run: python docs/variables.py"


def test_the_page_of_errors_is_up_to_date() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    assert page == pages_of_errors.text(), "run: python docs/errors.py"


def test_the_page_of_errors_has_every_error_and_every_alert() -> None:
    page = (ROOT / "docs/errors.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^#+ (\w+)$", page, re.M))
    assert {kind.__name__ for kind in pages_of_errors.classes()} | set(OWN_KINDS) <= named
    assert all(wrong.hint for wrong in pages_of_errors.own())


def test_every_variable_of_env_example_says_what_it_is() -> None:
    assert [section for section, found in variables.env_example() if not found[0].meaning] == []


def classes(root: type[SidemirrorError]) -> list[type[SidemirrorError]]:
    return [root, *(one for child in root.__subclasses__() for one in classes(child))]


def test_the_page_of_exit_codes_has_every_one_and_no_other() -> None:
    table = (ROOT / "docs/exit-codes.md").read_text(encoding="utf-8")
    listed = [int(code) for code in re.findall(r"^\| (\d+) \|", table, re.M)]
    script = {int(code) for code in re.findall(r"^EXIT_[A-Z]+=(\d+)", (ROOT / "sidemirror").read_text(), re.M)}
    ours = {error.exit_code for error in classes(SidemirrorError)}
    assert listed == sorted({0} | ours | script)


@pytest.mark.parametrize("folder", ["mirror", "backup", "restore"])
def test_every_page_that_the_programs_name_is_there(folder: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / folder).glob("*.py"))
    assert [page for page in set(re.findall(r"docs/[\w/.-]+\.md", text)) if not (ROOT / page).exists()] == []


@pytest.mark.parametrize("folder", ["mirror", "backup", "restore"])
def test_every_command_that_an_error_recommends_is_there(folder: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / folder).glob("*.py"))
    commands = set(re.findall(r"\./sidemirror ([a-z-]+)", help_text()))
    assert set(re.findall(r"\./sidemirror ([a-z-]+)", text)) - commands == set()


@pytest.mark.parametrize("folder", ["mirror", "backup", "restore"])
def test_every_option_of_restore_that_an_error_recommends_is_there(folder: str) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in (ROOT / folder).glob("*.py"))
    options = set(re.findall(r"\"(--[a-z-]+)", (ROOT / "restore/__main__.py").read_text(encoding="utf-8")))
    assert set(re.findall(r"\./sidemirror restore (--[a-z-]+)", text)) - options == set()


def test_decisions_are_numbered_each_once() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("*.md"))
    numbers = [int(page.name[:4]) for page in pages]
    assert len(numbers) == len(set(numbers))
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert text.startswith(f"# {int(page.name[:4])}. ")
        assert all(f"\n## {part}\n" in text for part in ("Context", "Decision", "Consequences"))
