"""Documents in pieces: nothing is lost, and a change moves no more than the pieces around it."""

from __future__ import annotations

import json
import random

import pytest

from backup.chunks import LARGEST_BYTES, chunks


def contents() -> dict[str, bytes]:
    chance = random.Random(1)
    users = {str(n): {"name": f"user {chance.random()}", "coins": chance.randrange(10**9)} for n in range(6000)}
    return {
        "JSON": json.dumps(users).encode(),
        "JSON in lines": json.dumps(users, indent=2).encode(),
        "hex": chance.randbytes(150_000).hex().encode(),
        "Cyrillic": "".join(chance.choice("абвгдежзиклмнопрстуфхцчшщэюя ") for _ in range(150_000)).encode(),
        "bytes": chance.randbytes(300_000),
    }


@pytest.mark.parametrize("kind", contents())
def test_what_is_put_in_or_taken_out_changes_the_pieces_around_it_alone(kind: str) -> None:
    content = contents()[kind]
    before = list(chunks([content]))
    assert b"".join(before) == content
    assert 2000 < len(content) / len(before) < 9000
    for at in (100, len(content) // 2, len(content) - 100):
        for changed in (content[:at] + b"something new" + content[at:], content[:at] + content[at + 50 :]):
            new = [piece for piece in chunks([changed]) if piece not in set(before)]
            assert len(new) <= 3
            assert sum(map(len, new)) < 25_000


@pytest.mark.parametrize("content", [b"", b"x", bytes(200_000), b"ab" * 100_000])
def test_content_without_any_difference_in_it_is_cut_all_the_same(content: bytes) -> None:
    found = list(chunks([content]))
    assert b"".join(found) == content
    assert all(0 < len(piece) <= LARGEST_BYTES for piece in found)


def test_how_the_bytes_come_makes_no_difference() -> None:
    content = contents()["JSON"]
    whole = list(chunks([content]))
    for size in (1000, 4096, 100_000):
        assert list(chunks(content[at : at + size] for at in range(0, len(content), size))) == whole
