"""JSON files in the mirror: their bytes always, a jsonb beside them where it says the same, and which files they are."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from fix_source import Source
from fix_target import Target
from restoring import restored

NOW = "SELECT file, bytes, body::text, body_why_not FROM sidemirror.documents_now WHERE source = %s ORDER BY file"


def mirrored(source: Source) -> dict[str, tuple[bytes, str | None, str | None]]:
    return {file: (bytes(data), body, why) for file, data, body, why in source.target.query(NOW, source.name)}


def test_bytes_are_kept_and_what_jsonb_cannot_hold_says_why(source: Source) -> None:
    contents = {
        "nul.json": b'{"a": "\\u0000"}',
        "numbers.json": b'{"n": ' + b"9" * 6000 + b"}",
        "plain.json": b'{"b": [1, 2.50],\n "a": null}\n',
        "twice.json": b'{"x": 1, "x": 2}',
    }
    for name, data in contents.items():
        (source.json / name).write_bytes(data)
    source.run()
    found = mirrored(source)
    assert {name: data for name, (data, _, _) in found.items()} == contents
    assert found["plain.json"][1:] == ('{"a": null, "b": [1, 2.50]}', None)
    assert found["numbers.json"][1:] == ('{"n": ' + "9" * 6000 + "}", None)
    assert found["twice.json"][1:] == (None, "an object has a key twice: x")
    assert found["nul.json"][1] is None
    assert "Unicode" in str(found["nul.json"][2])


def test_the_stores_own_copies_are_left_out_unless_they_are_asked_for(tmp_path: Path, target: Target) -> None:
    chosen = {"": {"data.json"}, "*.json": {"backups/backup_1.json", "data.emergency.json", "data.json"}}
    for number, (glob, files) in enumerate(chosen.items()):
        variables = {"JSON_GLOB": glob} if glob else {}
        source = Source(tmp_path / str(number), target, **variables)
        (source.json / "backups").mkdir()
        for name in ("backups/backup_1.json", "data.emergency.json", "data.json", "notes.txt"):
            (source.json / name).write_text("{}")
        source.run()
        assert set(mirrored(source)) == files


def test_versions_are_stored_once_for_each_content_and_come_back_with_the_mode_and_time_of_theirs(
    source: Source,
) -> None:
    versions = {1: ("[1]", 0o600, 10**18), 2: ("[2]", 0o640, 2 * 10**18), 3: ("[1]", 0o644, 3 * 10**18 + 7)}
    path = source.json / "data.json"
    for run, (text, mode, mtime_ns) in versions.items():
        path.write_text(text)
        path.chmod(mode)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        (source.json / "copy.json").write_text(text)
        assert source.run().run == run
    stored = source.target.query(
        "SELECT convert_from(sidemirror.document_bytes(c.source_id, c.sha256), 'UTF8') FROM sidemirror.document_contents "
        "AS c JOIN sidemirror.sources AS s ON s.id = c.source_id WHERE s.name = %s ORDER BY 1",
        source.name,
    )
    assert stored == [("[1]",), ("[2]",)]
    for run, (text, mode, mtime_ns) in versions.items():
        restored(source, "--yes", "--run", str(run))
        found = path.stat()
        assert (path.read_text(), stat.S_IMODE(found.st_mode), found.st_mtime_ns) == (text, mode, mtime_ns)
