"""Every peculiarity of the gallery comes back identically, at its first restore point and after a change."""

from __future__ import annotations

import gallery
import pytest
from fix_source import Source
from gallery.case import Case


@pytest.mark.parametrize("case", gallery.ALL, ids=lambda case: case.name)
def test_comes_back_identically_before_and_after_a_change(case: Case, source: Source) -> None:
    with source.database() as connection:
        case.make(connection)
    first = source.point()
    assert first.committed

    with source.database() as connection:
        case.change(connection)
    second = source.point()
    assert second.committed

    source.verify()
    assert not source.run("full").committed, "nothing changed, but a full run found something"
