"""Log lines for people and for programs, each of a run with the run's id."""

from __future__ import annotations

import json
import re

from commanding import backup, log
from fix_source import Source
from restoring import fill, restore


def test_json_lines_are_objects_with_the_token_of_the_run(source: Source) -> None:
    fill(source)
    (source.sqlite / "broken.db").write_bytes(bytes(100))
    result = backup(source, "once", LOG_FORMAT="json")
    lines = [json.loads(line) for line in result.stdout.splitlines()]
    assert [line["level"] for line in lines] == ["error", "warning"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", lines[0]["at"])
    assert "\n" in lines[0]["message"], "what and what to do are one event"
    [(token,)] = source.target.query(
        "SELECT r.token::text FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = source_id WHERE name = %s",
        source.name,
    )
    assert {line["run"] for line in lines} == {token}
    assert log(source) == result.stdout


def test_text_lines_of_a_run_share_eight_characters_that_another_run_does_not_have(source: Source) -> None:
    fill(source)
    (source.sqlite / "broken.db").write_bytes(bytes(100))
    ids = []
    for _ in range(2):
        found = re.findall(r"^\S+Z \w+ +\[([0-9a-f]{8})\] ", backup(source, "once").stdout, re.M)
        assert len(found) == 2
        assert len(set(found)) == 1
        ids.append(found[0])
    assert len(set(ids)) == 2


def test_the_restore_job_speaks_json_too(source: Source) -> None:
    fill(source)
    assert backup(source, "once").returncode == 0
    result = restore(source, "--yes", LOG_FORMAT="json")
    last = json.loads(result.stdout.splitlines()[-1])
    assert last["level"] == "info"


def test_a_level_leaves_out_what_is_below_it(source: Source) -> None:
    fill(source)
    (source.sqlite / "broken.db").write_bytes(bytes(100))
    shown = backup(source, "once", LOG_LEVEL="error").stdout
    assert " ERROR " in shown
    assert " WARNING " not in shown
