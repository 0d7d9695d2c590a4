-- Version 1: which sources, runs, databases, tables and documents the target holds, and the history of their rows.
-- Nothing here is in public, and nobody but its owner may see it.

CREATE SCHEMA sidemirror;
COMMENT ON SCHEMA sidemirror IS 'Sidemirror''s catalog and history. The mirrors are in the schemas that databases.schema_name names.';

CREATE TABLE sidemirror.version (version integer NOT NULL, installed_at timestamptz NOT NULL DEFAULT now());
INSERT INTO sidemirror.version (version) VALUES (1);

CREATE TABLE sidemirror.sources (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name        text NOT NULL UNIQUE,
    holder      uuid,                       -- the one installation that may write; NULL: the next one to come
    holder_host text,
    held_since  timestamptz,
    last_run    bigint NOT NULL DEFAULT 0
);

-- One row for each committed run: a restore point.
CREATE TABLE sidemirror.runs (
    source_id         integer NOT NULL REFERENCES sidemirror.sources,
    run               bigint NOT NULL,
    token             uuid NOT NULL UNIQUE,
    kind              text NOT NULL,
    started_at        timestamptz NOT NULL,
    finished_at       timestamptz NOT NULL DEFAULT clock_timestamp(),
    rows_upserted     bigint NOT NULL,
    rows_deleted      bigint NOT NULL,
    documents_changed integer NOT NULL,
    target_bytes      bigint NOT NULL,      -- pg_database_size at the end of the run
    proved_at         timestamptz,          -- when a drill last restored it and found it equal
    merged_after      bigint NOT NULL,      -- its history is merged with that of all runs after this one
    PRIMARY KEY (source_id, run)
);

CREATE TABLE sidemirror.databases (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id   integer NOT NULL REFERENCES sidemirror.sources,
    file        text NOT NULL,              -- path below the source's SQLite folder
    schema_name text NOT NULL,
    created_run bigint NOT NULL,
    dropped_run bigint,
    token       uuid NOT NULL               -- of the run that changed it last
);
CREATE UNIQUE INDEX ON sidemirror.databases (source_id, file) WHERE dropped_run IS NULL;
CREATE UNIQUE INDEX ON sidemirror.databases (schema_name) WHERE dropped_run IS NULL;

-- What a database was after each run that changed it. The schema (sqlite_schema and pragmas, as JSON) stands only in the
-- runs that changed it.
CREATE TABLE sidemirror.database_states (
    database_id  integer NOT NULL REFERENCES sidemirror.databases,
    run          bigint NOT NULL,
    content_hash bytea NOT NULL,
    PRIMARY KEY (database_id, run)
);
CREATE TABLE sidemirror.database_schemas (
    database_id   integer NOT NULL REFERENCES sidemirror.databases,
    run           bigint NOT NULL,
    sqlite_schema text NOT NULL,
    mode          integer NOT NULL,         -- the file's permission bits
    PRIMARY KEY (database_id, run)
);

-- One row for each mirrored table for as long as it keeps its shape; a table that changes it gets a new one.
CREATE TABLE sidemirror.tables (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    database_id integer NOT NULL REFERENCES sidemirror.databases,
    name        text NOT NULL,
    mirror_name text NOT NULL,
    key_kind    text NOT NULL,
    key         text[] NOT NULL,            -- mirror names of the key's columns
    has_rowid   boolean NOT NULL,
    columns     jsonb NOT NULL,
    created_run bigint NOT NULL,
    dropped_run bigint
);
CREATE INDEX ON sidemirror.tables (database_id);
CREATE TABLE sidemirror.table_states (
    table_id     integer NOT NULL REFERENCES sidemirror.tables,
    run          bigint NOT NULL,
    row_count    bigint NOT NULL,
    content_hash text NOT NULL,             -- sum of the rows' hashes, 64 hex digits
    PRIMARY KEY (table_id, run)
);

-- The undo log: what a row was before a run; NULL where the run inserted it.
CREATE TABLE sidemirror.history (
    table_id integer NOT NULL REFERENCES sidemirror.tables,
    run      bigint NOT NULL,
    key      jsonb NOT NULL,
    before   jsonb
);
CREATE INDEX ON sidemirror.history (table_id, run);

CREATE TABLE sidemirror.documents (
    id        integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id integer NOT NULL REFERENCES sidemirror.sources,
    file      text NOT NULL,                -- path below the source's JSON folder
    UNIQUE (source_id, file)
);
CREATE TABLE sidemirror.document_contents (
    source_id integer NOT NULL REFERENCES sidemirror.sources,
    sha256    bytea NOT NULL,
    bytes     bytea NOT NULL,
    body      jsonb,                        -- the same, to query; NULL where jsonb cannot hold it
    body_why_not text,                      -- and then why not
    PRIMARY KEY (source_id, sha256)
);
CREATE TABLE sidemirror.document_states (
    document_id integer NOT NULL REFERENCES sidemirror.documents,
    run         bigint NOT NULL,
    sha256      bytea,                      -- NULL: the file was gone
    mode        integer,
    mtime_ns    bigint,
    PRIMARY KEY (document_id, run)
);

CREATE VIEW sidemirror.documents_now AS
SELECT s.name AS source, d.file, c.body, c.body_why_not, c.bytes, st.run
FROM sidemirror.documents AS d
JOIN sidemirror.sources AS s ON s.id = d.source_id
JOIN LATERAL (
    SELECT * FROM sidemirror.document_states WHERE document_id = d.id ORDER BY run DESC LIMIT 1
) AS st ON st.sha256 IS NOT NULL
JOIN sidemirror.document_contents AS c ON c.source_id = d.source_id AND c.sha256 = st.sha256;
