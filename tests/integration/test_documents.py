"""JSON files in the mirror: their bytes always, a jsonb beside them where it says the same, and which files they are."""

from __future__ import annotations

from pathlib import Path

from fix_source import Source
from fix_target import Target

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
