"""A fresh Postgres database for a module's tests, at the target that the environment names."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import psycopg2
import pytest

REQUIRED = ("SUPABASE_DB_HOST", "SUPABASE_DB_PORT", "SUPABASE_DB_PASSWORD_FILE", "SUPABASE_DB_SSLROOTCERT")


@dataclass(frozen=True)
class Target:
    """One Postgres database; `environ` are the variables that lead to it."""

    name: str
    environ: dict[str, str]

    def connect(self, **changed: Any) -> Any:
        arguments = {
            "host": self.environ["SUPABASE_DB_HOST"],
            "port": self.environ["SUPABASE_DB_PORT"],
            "user": self.environ.get("SUPABASE_DB_USER", "postgres"),
            "password": read_password(self.environ),
            "sslmode": self.environ.get("SUPABASE_DB_SSLMODE", "verify-full"),
            "sslrootcert": self.environ["SUPABASE_DB_SSLROOTCERT"],
            "dbname": self.name,
        }
        connection = psycopg2.connect(**{**arguments, **changed})
        connection.autocommit = True
        return connection

    def query(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Runs the statement in a transaction of its own; gives its rows, if it has any."""
        with closing(self.connect()) as connection, connection.cursor() as cursor:
            cursor.execute(statement, arguments or None)
            return cursor.fetchall() if cursor.description else []


def read_password(environ: dict[str, str]) -> str:
    with open(environ["SUPABASE_DB_PASSWORD_FILE"], encoding="utf-8") as file:  # noqa: PTH123
        return file.read().strip("\r\n")


@pytest.fixture(scope="session")
def target_environ() -> dict[str, str]:
    """The variables of the target that the tests run against."""
    missing = [name for name in REQUIRED if not os.environ.get(name)]
    if missing:
        pytest.fail(
            f"the integration tests need a Postgres: {', '.join(missing)} not set (./sidemirror test integration does)",
            pytrace=False,
        )
    return {name: value for name, value in os.environ.items() if name.startswith("SUPABASE_DB_")}


@pytest.fixture(scope="module")
def target(target_environ: dict[str, str]) -> Iterator[Target]:
    """A database of its own in the target, dropped afterwards."""
    name = f"sm_test_{uuid4().hex[:12]}"
    home = Target("postgres", target_environ)
    home.query(f"CREATE DATABASE {name}")
    try:
        yield Target(name, {**target_environ, "SUPABASE_DB_NAME": name})
    finally:
        home.query(f"DROP DATABASE {name} WITH (FORCE)")
