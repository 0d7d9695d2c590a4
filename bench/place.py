"""Where a measurement happens: a Postgres database of its own at the target, and folders of its own."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import uuid4

import psycopg2
from psycopg2.extensions import connection as Connection

from mirror import settings
from mirror.settings import Settings


@dataclass(frozen=True)
class Place:
    """`folder` has sqlite/, json/ and state/; `database` is the Postgres database; `environ` leads a program to both."""

    folder: Path
    database: str

    @property
    def environ(self) -> dict[str, str]:
        return {
            **os.environ,
            "SOURCE_NAME": "bench",
            "SQLITE_DIR": str(self.folder / "sqlite"),
            "JSON_DIR": str(self.folder / "json"),
            "STATE_DIR": str(self.folder / "state"),
            "NOTES_DIR": str(self.folder / "notes"),
            "SUPABASE_DB_NAME": self.database,
        }

    def connect(self) -> Connection:
        return connect(self.database)

    @property
    def url(self) -> str:
        """The same way for programs that want a URL; the password is in `with_password`."""
        config = settings.load(Settings)
        where = f"{config.supabase_db_host}:{config.supabase_db_port}/{self.database}"
        return f"postgresql://{config.supabase_db_user}@{where}?sslmode=require"

    @property
    def with_password(self) -> dict[str, str]:
        """What libpq's programs, and others that follow them, read from their environment."""
        config = settings.load(Settings)
        trusted = str(config.supabase_db_sslrootcert or "")
        return {
            **os.environ,
            "PGPASSWORD": config.supabase_db_password.get_secret_value(),
            "PGSSLROOTCERT": trusted,
            "SSL_CERT_FILE": trusted,
        }

    def empty(self) -> None:
        """Back to a first start: an empty database, an empty state folder. The source stays."""
        remake(self.database)
        shutil.rmtree(self.folder / "state", ignore_errors=True)
        (self.folder / "state").mkdir()


@contextmanager
def place() -> Iterator[Place]:
    """A new place, taken away at the end."""
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR"), prefix="sidemirror-bench-") as folder:
        made = Place(Path(folder), f"sm_bench_{uuid4().hex[:12]}")
        for name in ("sqlite", "json", "state"):
            (made.folder / name).mkdir()
        try:
            remake(made.database)
            yield made
        finally:
            with closing(connect()) as home, home.cursor() as cursor:
                cursor.execute(f"DROP DATABASE IF EXISTS {made.database} WITH (FORCE)")


def connect(database: str | None = None) -> Connection:
    """The way that Sidemirror itself connects: the same host, pooler and TLS."""
    config = settings.load(Settings)
    connection = psycopg2.connect(
        host=config.supabase_db_host,
        port=config.supabase_db_port,
        user=config.supabase_db_user,
        password=config.supabase_db_password.get_secret_value(),
        sslmode=config.supabase_db_sslmode,
        sslrootcert=str(config.supabase_db_sslrootcert or ""),
        dbname=database or config.supabase_db_name,
    )
    connection.autocommit = True
    return connection


def remake(database: str) -> None:
    with closing(connect()) as home, home.cursor() as cursor:
        cursor.execute(f"DROP DATABASE IF EXISTS {database} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {database}")
