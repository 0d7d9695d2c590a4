"""The role for analysts: may read every mirror and the catalog, and nothing else; off until somebody turns it on."""

from __future__ import annotations

from psycopg2.extensions import connection as Connection

from mirror.catalog_install import install

ROLE = "sidemirror.reader"

NEXT = f"""The role "{ROLE}" may read the mirror now, and what is mirrored later. Give it to a person in Postgres:
  CREATE ROLE anna LOGIN PASSWORD '…' IN ROLE "{ROLE}";
At Supabase she logs in as anna.<project ref>. To close it again: ./sidemirror reader off"""


def is_on(connection: Connection) -> bool:
    """Whether the role can read now. False where nothing is mirrored yet."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_regproc('sidemirror.reader_is_on') IS NOT NULL")
        if cursor.fetchone() == (False,):
            return False
        cursor.execute("SELECT sidemirror.reader_is_on()")
        return cursor.fetchone() == (True,)


def turn(connection: Connection, on: bool) -> None:
    """Opens the mirror and the catalog to the role, or closes them. Raises TargetRefused where the user may not."""
    install(connection)
    with connection.cursor() as cursor:
        cursor.execute("SELECT sidemirror.reader_on()" if on else "SELECT sidemirror.reader_off()")
