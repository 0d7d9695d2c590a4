"""The catalog's answers as frozen objects: what the target holds of one source, at its last run or at an older one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any
from uuid import UUID

from psycopg2 import errors
from psycopg2.extensions import connection as Connection

from mirror.catalog_install import require_readable
from mirror.catalog_values import database_name, file_name, permissions, schema_of
from mirror.content import TableContent
from mirror.mapping import MirrorTable, columns_from_json
from mirror.schema import Pragmas, Schema, SchemaRow, same_objects


@dataclass(frozen=True)
class CatalogTable:
    """A mirrored table.

    `dropped`: the source has it no more. `place`: schema and name of the Postgres table that has its rows, where that is not
    the mirror by its name; () where only history is left. `aliases`: names that columns have had, each with the one of now.
    `set_aside`: columns that the source dropped, each with its type.
    """

    id: int
    mirror: MirrorTable
    content: TableContent
    dropped: bool = False
    place: tuple[str, ...] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    set_aside: Mapping[str, str] = field(default_factory=dict)

    def place_in(self, schema_name: str) -> tuple[str, ...]:
        """Schema and name of the Postgres table; () where there is none."""
        if self.place is not None:
            return self.place
        return () if self.dropped else (schema_name, self.mirror.mirror_name)

    def column_now(self, name: str) -> str:
        """What a column of this shape is called in the Postgres table."""
        return self.aliases.get(name, name)

    def names_of(self, name: str) -> tuple[str, ...]:
        """All names that a column of this shape has had, and has now."""
        now = self.column_now(name)
        return (now, *sorted(was for was, becoming in self.aliases.items() if becoming == now))

    @property
    def used_names(self) -> frozenset[str]:
        """Names that cannot be given to another column."""
        return frozenset({*self.aliases, *self.aliases.values(), *(name for name, _ in self.mirror.fields)})


@dataclass(frozen=True)
class CatalogDatabase:
    id: int
    file: str
    schema_name: str
    token: UUID
    content_hash: bytes
    schema_rows: tuple[SchemaRow, ...]
    pragmas: Pragmas
    mode: int
    tables: tuple[CatalogTable, ...]

    def describes(self, schema: Schema, mode: int) -> bool:
        """Whether nothing beside the rows differs: objects, settings, permission bits."""
        same = same_objects(self.schema_rows, schema.rows)
        return same and (self.pragmas, self.mode) == (schema.pragmas, mode)

    def table(self, name: str) -> CatalogTable | None:
        return next((table for table in self.tables if table.mirror.name == name), None)


@dataclass(frozen=True)
class CatalogDocument:
    id: int
    file: str
    sha256: str
    mode: int
    mtime_ns: int


@dataclass(frozen=True)
class State:
    """One source as the target knows it after `run`."""

    source_id: int
    holder: UUID | None
    holder_host: str | None
    held_since: str | None
    last_run: int
    run: int
    target_bytes: int  # pg_database_size
    databases: tuple[CatalogDatabase, ...]
    documents: tuple[CatalogDocument, ...]
    catalog_version: int
    token: UUID | None = None  # of the last writing; None where an older program wrote it
    refused: str | None = None  # the host that was last refused because it is not the holder
    refused_at: float | None = None  # and when, in seconds since 1970

    def database(self, file: str) -> CatalogDatabase | None:
        return next((database for database in self.databases if database.file == file), None)


def read_state(connection: Connection, source: str, run: int | None = None) -> State | None:
    """The source's state, in one round trip; None where the target has never heard of it.

    An older catalog is read as it is. Raises TargetRefused when it was made by a newer version.
    """
    with connection.cursor() as cursor:
        try:
            cursor.execute("SELECT (SELECT version FROM sidemirror.version), sidemirror.state(%s, %s)", (source, run))
        except (errors.UndefinedTable, errors.InvalidSchemaName):
            return None
        [(version, state)] = cursor.fetchall()
    require_readable(version)
    return None if state is None else _state(state, version)


def read_state_since(connection: Connection, source: str, known: State) -> State | None:
    """The same at some hundred bytes while it is what is `known`; then the roles of the Data API were looked at as well.

    Gives `known` with the target's size of now, or another state. Raises TargetRefused, and ends as require_private does.
    """
    if known.token is None:
        return read_state(connection, source)
    with connection.cursor() as cursor:
        try:
            cursor.execute(
                "SELECT jsonb_build_array((SELECT version FROM sidemirror.version), "
                "CASE WHEN s ? 'source_id' THEN s ELSE jsonb_strip_nulls(s) END) AS s "
                "FROM sidemirror.state_since(%s, %s::uuid) AS s",
                (source, str(known.token)),
            )
        except (errors.UndefinedTable, errors.InvalidSchemaName, errors.UndefinedFunction):
            return read_state(connection, source)
        [([version, state],)] = cursor.fetchall()
    require_readable(version)
    if state is None or "source_id" in state:
        return None if state is None else _state(state, version)
    return replace(known, catalog_version=version, **{"refused": None, "refused_at": None, **state})


def require_private(connection: Connection) -> None:
    """Ends in TargetExposed (through target.translated) when a role of the Data API can reach what is mirrored."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT sidemirror.assert_private()")


def schema_to_json(rows: tuple[SchemaRow, ...], pragmas: Pragmas) -> str:
    """What database_schemas keeps."""
    return json.dumps({"rows": [asdict(row) for row in rows], "pragmas": asdict(pragmas)})


def _state(state: dict[str, Any], version: int) -> State:
    return State(
        source_id=state["source_id"],
        holder=UUID(state["holder"]) if state["holder"] else None,
        holder_host=state["holder_host"],
        held_since=state["held_since"],
        last_run=state["last_run"],
        run=state["run"],
        target_bytes=state["target_bytes"],
        databases=tuple(_database(database) for database in state["databases"]),
        documents=tuple(_document(document) for document in state["documents"]),
        catalog_version=version,
        token=UUID(state["token"]) if state.get("token") else None,
        refused=state.get("refused"),
        refused_at=state.get("refused_at"),
    )


def _database(database: dict[str, Any]) -> CatalogDatabase:
    schema = json.loads(database["sqlite_schema"])
    file = database_name(database["file"])
    rows, pragmas = schema_of(file, schema["rows"], schema["pragmas"])
    return CatalogDatabase(
        id=database["id"],
        file=file,
        schema_name=database["schema_name"],
        token=UUID(database["token"]),
        content_hash=bytes.fromhex(database["content_hash"]),
        schema_rows=rows,
        pragmas=pragmas,
        mode=permissions(database["mode"]),
        tables=tuple(_table(table) for table in database["tables"]),
    )


def _document(document: dict[str, Any]) -> CatalogDocument:
    return CatalogDocument(
        **document | {"file": file_name(document["file"]), "mode": permissions(document["mode"])},
    )


def _table(table: dict[str, Any]) -> CatalogTable:
    mirror = MirrorTable(
        name=table["name"],
        mirror_name=table["mirror_name"],
        key_kind=table["key_kind"],
        key=tuple(table["key"]),
        columns=columns_from_json(table["columns"]),
        rowid=table["has_rowid"],
    )
    content = TableContent(table["rows"], int(table["hash"], 16))
    place = tuple(table["place"] or ()) if "place" in table else None
    return CatalogTable(
        table["id"], mirror, content, table["dropped"], place, table.get("aliases", {}), table.get("set_aside", {})
    )
