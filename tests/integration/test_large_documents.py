"""Documents that are large, written often, or no JSON at all: what they cost, and that they come back."""

from __future__ import annotations

import hashlib
import json
import os
import random
import shutil
import time
from pathlib import Path
from typing import Any

import pytest
from commanding import backup, status
from fix_source import Source
from restoring import restored

from backup import document_growth, documents
from backup.page import facts
from backup.page.documents import compared, versions
from backup.run import run
from backup.session import Session
from mirror.errors import SourceBusy, SourceCorrupt, SourceUnsupported
from mirror.retention import parse_rules
from mirror.target import connected


def users(count: int) -> dict[str, dict[str, object]]:
    chance = random.Random(1)
    return {
        str(n): {
            "name": f"user {chance.randrange(10**6)}",
            "coins": chance.randrange(10**9),
            "since": "2026-11-01T10:00:00Z",
        }
        for n in range(count)
    }


def stored(source: Source) -> int:
    """Bytes that the source's documents take in the target, lists and pieces."""
    [(size,)] = source.target.query(
        "SELECT (SELECT sum(pg_column_size(k.bytes) + 100) FROM sidemirror.document_chunks AS k WHERE source_id = s.id) + "
        "(SELECT sum(pg_column_size(c.*)) FROM sidemirror.document_contents AS c WHERE source_id = s.id) "
        "FROM sidemirror.sources AS s WHERE s.name = %s",
        source.name,
    )
    return int(size)


def test_a_version_of_a_large_document_costs_what_changed_in_it_and_all_of_them_come_back(
    source: Source, tmp_path: Path
) -> None:
    path, data = source.json / "data.json", users(13_500)
    path.write_text(json.dumps(data))
    assert path.stat().st_size > 1_100_000
    session = Session()
    first = run(source.settings, "change", session=session)
    texts = {first.run: path.read_text()}
    before, sent = stored(source), 0
    for number in range(8):
        data[str(number * 1600)]["coins"] = number
        path.write_text(json.dumps(data))
        report = run(source.settings, "change", session=session)
        assert report.counts.bytes_sent < 20_000
        sent += report.counts.bytes_sent
        texts[report.run] = path.read_text()
    session.close()
    assert (stored(source) - before) / 8 < 20_000
    for at, text in texts.items():
        restored(source, "--yes", "--run", str(at), "--into", str(tmp_path / str(at)))
        assert (tmp_path / str(at) / "json/data.json").read_text() == text
    assert source.target.query("SELECT body FROM sidemirror.documents_now WHERE source = %s", source.name) == [(data,)]
    with facts.opened(source.state) as view:
        assert view is not None
        [newest, one_before, *_] = versions(view, 1)
    lines = compared(source.state, 1, one_before.run, newest.run).lines
    assert lines is not None
    assert [line.text.strip() for line in lines if line.mark == "+"] == ['"coins": 7,']
    # Without a memory of its own (after a start) a run asks the target which pieces it has.
    data["1"]["coins"] = 1
    path.write_text(json.dumps(data))
    assert source.run().counts.bytes_sent < 60_000


def test_a_document_above_the_limit_is_refused_by_name_and_all_others_go_on(source: Source) -> None:
    source.environ["DOCUMENT_LIMIT"] = "2MB"
    (source.json / "large.json").write_bytes(b"[" + b" " * 2_000_000 + b"]")
    (source.json / "small.json").write_text("[1]")
    [refusal] = source.try_run().refusals
    assert (refusal.file, type(refusal.error)) == ("large.json", SourceUnsupported)
    assert "DOCUMENT_LIMIT" in str(refusal.error)
    assert [document.file for document in source.read_state().documents] == ["small.json"]
    source.environ["DOCUMENT_LIMIT"] = "3MB"
    source.run()
    assert [document.file for document in source.read_state().documents] == ["large.json", "small.json"]


def test_what_never_was_json_is_kept_byte_by_byte_and_is_nothing_wrong(
    source: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents.read, "__defaults__", (documents.read.__defaults__[0], 0.3))
    contents = {
        "bytes.json": bytes(range(256)) * 20_000,
        "half.json": b'{"a": ',
        "empty.json": b"",
        "nan.json": b"{nan}",
    }
    for name, content in contents.items():
        (source.json / name).write_bytes(content)
    source.run()
    source.run("full")
    assert backup(source, "once").returncode == 0
    assert status(source)["safe"]
    restored(source, "--yes", "--into", str(tmp_path / "into"))
    assert {path.name: path.read_bytes() for path in (tmp_path / "into/json").iterdir()} == contents
    found = dict(
        source.target.query("SELECT file, body_why_not FROM sidemirror.documents_now WHERE source = %s", source.name)
    )
    assert all("not valid JSON" in str(why_not) for why_not in found.values()), found
    (source.json / "half.json").write_bytes(b'{"a": 2}')
    source.run()
    (source.json / "half.json").write_bytes(b'{"a": ')
    [refusal] = source.try_run().refusals
    assert (refusal.file, type(refusal.error)) == ("half.json", SourceCorrupt), "it was JSON, and is cut off now"


def test_a_large_document_that_is_cut_off_is_not_taken_for_a_whole_one(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(documents.read, "__defaults__", (documents.read.__defaults__[0], 0.3))
    path = source.json / "data.json"
    path.write_text(json.dumps({"users": "x" * 5_000_000, "more": [1]}) + "\n")
    source.run()
    os.truncate(path, 4_500_000)
    [refusal] = source.try_run().refusals
    assert isinstance(refusal.error, SourceCorrupt)


def test_a_document_that_is_written_to_while_it_is_read_is_never_a_mixture(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source.json / "data.json"
    path.write_bytes(b"0" * 8_000_000)
    reading, copied = documents.reading(source.settings), documents._copied

    def meanwhile(*arguments: Any) -> Any:
        copy = copied(*arguments)
        with path.open("r+b") as file:
            file.write(b"1")
        os.utime(path, ns=(0, time.time_ns()))
        return copy

    with monkeypatch.context() as patched:
        patched.setattr(documents, "_copied", meanwhile)
        with pytest.raises(SourceBusy, match="written to all the time"):
            documents.read(reading, "data.json", patience=0.3)
    with documents.read(reading, "data.json", patience=0.3) as document:
        assert document.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_document_that_is_begun_anew_while_it_is_read_is_read_as_it_is_then(
    source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = source.json / "data.json"
    path.write_bytes(b"0" * 8_000_000)
    copied = documents._copied

    def meanwhile(*arguments: Any) -> Any:
        path.write_text("[1]")
        return copied(*arguments)

    monkeypatch.setattr(documents, "_copied", meanwhile)
    with documents.read(documents.reading(source.settings), "data.json") as document:
        assert (document.content, document.is_json) == (b"[1]", True)


def test_older_versions_of_documents_take_no_more_than_their_share_between_full_runs(source: Source) -> None:
    source.environ |= {"TARGET_SIZE_LIMIT": "5MB", "RETENTION": "all:1h,minutely:24h"}
    session = Session()
    most, last = 0, b""
    for number in range(12):
        last = random.Random(number).randbytes(300_000)
        (source.json / "data.json").write_bytes(last)
        (source.json / "other.json").write_text(f"[{number}]")
        run(source.settings, "change", session=session)
        most = max(most, stored(source))
    session.close()
    assert most < 2_000_000, "a fifth of 5 MB, the version that is there now, and what came since the last look"
    runs = [run for (run,) in source.target.query(
        "SELECT run FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = r.source_id WHERE s.name = %s "
        "ORDER BY 1", source.name)]  # fmt: skip
    assert runs[-1] == 12
    assert len(runs) < 12
    restored(source, "--yes", "--run", str(runs[0]))
    assert (source.json / "other.json").read_text() == f"[{runs[0] - 1}]"
    assert (source.json / "data.json").read_bytes() == random.Random(runs[0] - 1).randbytes(300_000)


def test_a_version_that_is_needed_no_more_takes_its_pieces_along_and_no_others(source: Source) -> None:
    path, data = source.json / "data.json", users(2_000)
    for number in range(4):
        data["77"]["coins"] = number
        path.write_text(json.dumps(data))
        (source.json / "copy.json").write_text(json.dumps(data if number == 1 else []))
        source.run()
    with connected(source.settings) as connection:
        assert document_growth.keep_within(connection, source.name, parse_rules("all:1h"), 5) == 3
    source.target.query("VACUUM sidemirror.document_chunks")
    [(pieces, used)] = source.target.query(
        "SELECT count(*), count(*) FILTER (WHERE k.id IN (SELECT unnest(c.chunks) FROM sidemirror.document_contents AS c)) "
        "FROM sidemirror.document_chunks AS k JOIN sidemirror.sources AS s ON s.id = k.source_id WHERE s.name = %s",
        source.name,
    )
    assert pieces == used > 20
    shutil.rmtree(source.json)
    source.json.mkdir()
    restored(source, "--yes")
    assert json.loads(path.read_text()) == data
