"""Names on both sides."""

from __future__ import annotations

import sqlite3

from hypothesis import given
from hypothesis import strategies as st

from mirror.names import POSTGRES_NAME_BYTES, TAKEN_COLUMN_NAMES, postgres_name, quote_sqlite

names = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=80)


@given(names)
def test_a_quoted_name_is_the_name_itself_to_sqlite(name: str) -> None:
    connection = sqlite3.connect(":memory:")
    try:
        cursor = connection.execute(f"SELECT 1 AS {quote_sqlite(name)}")
        assert cursor.description[0][0] == name
    finally:
        connection.close()


@given(st.lists(names, unique=True, max_size=20))
def test_names_in_postgres_fit_and_stay_apart(given_names: list[str]) -> None:
    taken = set(TAKEN_COLUMN_NAMES)
    for name in given_names:
        short = postgres_name(name, taken)
        assert short not in taken
        assert 0 < len(short.encode()) <= POSTGRES_NAME_BYTES
        taken.add(short)


def test_a_name_that_postgres_can_hold_stays_as_it_is() -> None:
    for name in ("users", "Users", "select", "größe", "a b", 'a"b', "x" * 63):
        assert postgres_name(name) == name


def test_a_name_that_is_too_long_gets_the_same_short_one_for_ever() -> None:
    assert postgres_name("n" * 64) == "n" * 54 + "_77417a45"
    assert postgres_name("") == "_db3426e8"


def test_a_cut_never_splits_a_character() -> None:
    short = postgres_name("\U0001f600" * 20)
    assert short.startswith("\U0001f600" * 13 + "_")
    assert len(short.encode()) <= POSTGRES_NAME_BYTES


def test_names_of_our_own_columns_are_never_given_away() -> None:
    for name in TAKEN_COLUMN_NAMES:
        assert postgres_name(name, TAKEN_COLUMN_NAMES) != name
