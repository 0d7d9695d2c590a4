-- The catalog: which sources, runs, databases, tables and documents the target holds, and the history of their rows.
-- Run once, inside a transaction. Nothing here is in public, and nobody but its owner may see it.

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

-- Everything that the target knows of one source as it stood after a run (NULL: the last one), in one answer.
CREATE FUNCTION sidemirror.state(source_name text, at_run bigint DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT jsonb_build_object(
    'source_id', s.id, 'holder', s.holder, 'holder_host', s.holder_host, 'held_since', s.held_since,
    'last_run', s.last_run, 'run', at.run,
    'target_bytes', pg_catalog.pg_database_size(pg_catalog.current_database()),
    'databases', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'id', d.id, 'file', d.file, 'schema_name', d.schema_name, 'token', d.token,
            'content_hash', encode(ds.content_hash, 'hex'),
            'sqlite_schema', dsc.sqlite_schema, 'mode', dsc.mode,
            'tables', COALESCE((
                SELECT jsonb_agg(jsonb_build_object(
                    'id', t.id, 'name', t.name, 'mirror_name', t.mirror_name, 'key_kind', t.key_kind,
                    'key', to_jsonb(t.key), 'has_rowid', t.has_rowid, 'columns', t.columns,
                    'dropped', t.dropped_run IS NOT NULL,
                    'rows', ts.row_count, 'hash', ts.content_hash) ORDER BY t.id)
                FROM sidemirror.tables AS t
                JOIN LATERAL (
                    SELECT * FROM sidemirror.table_states AS x
                    WHERE x.table_id = t.id AND x.run <= at.run ORDER BY x.run DESC LIMIT 1
                ) AS ts ON true
                WHERE t.database_id = d.id AND t.created_run <= at.run
                  AND (t.dropped_run IS NULL OR t.dropped_run > at.run)), '[]'::jsonb)
            ) ORDER BY d.file)
        FROM sidemirror.databases AS d
        JOIN LATERAL (
            SELECT * FROM sidemirror.database_states AS x
            WHERE x.database_id = d.id AND x.run <= at.run ORDER BY x.run DESC LIMIT 1
        ) AS ds ON true
        JOIN LATERAL (
            SELECT * FROM sidemirror.database_schemas AS x
            WHERE x.database_id = d.id AND x.run <= at.run ORDER BY x.run DESC LIMIT 1
        ) AS dsc ON true
        WHERE d.source_id = s.id AND d.created_run <= at.run
          AND (d.dropped_run IS NULL OR d.dropped_run > at.run)), '[]'::jsonb),
    'documents', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'id', d.id, 'file', d.file, 'sha256', encode(st.sha256, 'hex'), 'mode', st.mode, 'mtime_ns', st.mtime_ns
            ) ORDER BY d.file)
        FROM sidemirror.documents AS d
        JOIN LATERAL (
            SELECT * FROM sidemirror.document_states AS x
            WHERE x.document_id = d.id AND x.run <= at.run ORDER BY x.run DESC LIMIT 1
        ) AS st ON st.sha256 IS NOT NULL
        WHERE d.source_id = s.id), '[]'::jsonb))
FROM sidemirror.sources AS s
CROSS JOIN LATERAL (SELECT COALESCE(at_run, s.last_run) AS run) AS at
WHERE s.name = source_name
$$;

-- The first statement of every run's transaction: one writer at a time, the right one, from where it thinks it is.
CREATE FUNCTION sidemirror.begin_run(source_name text, installation uuid, host text, expected_run bigint) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    s sidemirror.sources;
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock(pg_catalog.hashtextextended('sidemirror.' || source_name, 0));
    INSERT INTO sidemirror.sources (name) VALUES (source_name) ON CONFLICT (name) DO NOTHING;
    SELECT * INTO s FROM sidemirror.sources WHERE name = source_name FOR UPDATE;
    IF s.holder IS NULL THEN
        UPDATE sidemirror.sources SET holder = installation, holder_host = host, held_since = pg_catalog.now()
        WHERE id = s.id;
    ELSIF s.holder <> installation THEN
        RAISE EXCEPTION USING ERRCODE = 'SM001', MESSAGE = pg_catalog.format(
            'the source %s is written by another installation (%s on %s, since %s)',
            source_name, s.holder, s.holder_host, s.held_since);
    END IF;
    IF s.last_run <> expected_run THEN
        RAISE EXCEPTION USING ERRCODE = 'SM002', MESSAGE = pg_catalog.format(
            'the target is at run %s of %s, and this run began from %s', s.last_run, source_name, expected_run);
    END IF;
END
$$;

-- Takes a schema or a table away from everyone but its owner, the roles of Supabase's Data API above all.
CREATE FUNCTION sidemirror.protect(schema_name text, table_name text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    grantee text;
BEGIN
    FOR grantee IN
        SELECT 'PUBLIC' UNION ALL
        SELECT pg_catalog.quote_ident(rolname) FROM pg_catalog.pg_roles
        WHERE rolname IN ('anon', 'authenticated', 'service_role')
    LOOP
        IF table_name IS NULL THEN
            EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM %s', schema_name, grantee);
        ELSE
            EXECUTE pg_catalog.format('REVOKE ALL ON TABLE %I.%I FROM %s', schema_name, table_name, grantee);
        END IF;
    END LOOP;
    IF table_name IS NOT NULL THEN
        EXECUTE pg_catalog.format('ALTER TABLE %I.%I ENABLE ROW LEVEL SECURITY', schema_name, table_name);
    END IF;
END
$$;

-- Makes the schema for a database that was not mirrored before, under its plain name if nothing else has it.
CREATE FUNCTION sidemirror.add_database(
    source_name text, file text, plain_name text, other_name text, run bigint, token uuid
) RETURNS text
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    chosen text := plain_name;
BEGIN
    IF EXISTS (SELECT 1 FROM pg_catalog.pg_namespace WHERE nspname = plain_name) THEN
        chosen := other_name;
    END IF;
    EXECUTE pg_catalog.format('CREATE SCHEMA %I', chosen);
    PERFORM sidemirror.protect(chosen);
    INSERT INTO sidemirror.databases (source_id, file, schema_name, created_run, token)
    SELECT s.id, add_database.file, chosen, add_database.run, add_database.token
    FROM sidemirror.sources AS s WHERE s.name = source_name;
    RETURN chosen;
END
$$;

-- The last restore point at or before a time; NULL when there is none.
CREATE FUNCTION sidemirror.run_at(source_name text, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT max(r.run) FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = r.source_id
WHERE s.name = source_name AND r.finished_at <= at
$$;

-- SQL for the rows of a mirrored table as they stood after a run: each row's key, and the row without its NULLs.
CREATE FUNCTION sidemirror.rows_at(table_id integer, run bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT pg_catalog.format(
    'SELECT l.key, l.before AS image FROM (%1$s) AS l WHERE l.before IS NOT NULL', later.query
) || CASE WHEN t.dropped_run IS NOT NULL THEN '' ELSE pg_catalog.format(
    ' UNION ALL SELECT n.key, n.image FROM (SELECT pg_catalog.jsonb_build_array(%2$s) AS key, '
    'pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(m)) AS image FROM %3$I.%4$I AS m) AS n '
    'WHERE NOT EXISTS (SELECT 1 FROM (%1$s) AS l WHERE l.key = n.key)',
    later.query,
    (SELECT pg_catalog.string_agg(pg_catalog.format('m.%I', k), ', ') FROM pg_catalog.unnest(t.key) AS k),
    d.schema_name, t.mirror_name
) END
FROM sidemirror.tables AS t
JOIN sidemirror.databases AS d ON d.id = t.database_id
CROSS JOIN LATERAL (SELECT pg_catalog.format(
    'SELECT DISTINCT ON (h.key) h.key, h.before FROM sidemirror.history AS h '
    'WHERE h.table_id = %s AND h.run > %s ORDER BY h.key, h.run', t.id, rows_at.run
) AS query) AS later
WHERE t.id = rows_at.table_id
$$;

-- What changed in one table between two restore points: each row that differs, as it was and as it became. A table that
-- was made anew in between is another one in the catalog, and its rows are compared whole.
CREATE FUNCTION sidemirror.changes(source_name text, database_file text, table_name text, from_run bigint, to_run bigint)
RETURNS TABLE (key jsonb, change text, before jsonb, after jsonb)
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    nothing CONSTANT text := 'SELECT NULL::jsonb AS key, NULL::jsonb AS image WHERE false';
    t sidemirror.tables;
    was sidemirror.tables;
    became sidemirror.tables;
    rows_before text := nothing;
BEGIN
    FOR t IN
        SELECT x.* FROM sidemirror.tables AS x
        JOIN sidemirror.databases AS d ON d.id = x.database_id
        JOIN sidemirror.sources AS s ON s.id = d.source_id
        WHERE s.name = source_name AND d.file = database_file AND x.name = table_name
    LOOP
        IF t.created_run <= from_run AND (t.dropped_run IS NULL OR t.dropped_run > from_run) THEN
            was := t;
        END IF;
        IF t.created_run <= to_run AND (t.dropped_run IS NULL OR t.dropped_run > to_run) THEN
            became := t;
        END IF;
    END LOOP;
    IF was.id = became.id THEN
        -- Only the rows that history names can differ.
        rows_before := pg_catalog.format(
            'SELECT DISTINCT ON (h.key) h.key, h.before AS image FROM sidemirror.history AS h '
            'WHERE h.table_id = %s AND h.run > %s AND h.run <= %s ORDER BY h.key, h.run', was.id, from_run, to_run);
    ELSIF was.id IS NOT NULL THEN
        rows_before := sidemirror.rows_at(was.id, from_run);
    END IF;
    RETURN QUERY EXECUTE pg_catalog.format($query$
        WITH was AS (%1$s), became AS (%2$s), pairs AS (
            SELECT p.key, p.image AS before, b.image AS after FROM was AS p LEFT JOIN became AS b ON b.key = p.key AND %3$s
            UNION ALL
            SELECT b.key, NULL, b.image FROM became AS b
            WHERE %4$s AND NOT EXISTS (SELECT 1 FROM was AS p WHERE p.key = b.key AND %3$s)
        )
        SELECT p.key,
               CASE WHEN p.before IS NULL THEN 'inserted' WHEN p.after IS NULL THEN 'deleted' ELSE 'updated' END,
               p.before, p.after
        FROM pairs AS p WHERE p.before IS DISTINCT FROM p.after
    $query$,
        rows_before,
        CASE WHEN became.id IS NULL THEN nothing ELSE sidemirror.rows_at(became.id, to_run) END,
        (COALESCE(was.key, became.key) IS NOT DISTINCT FROM became.key)::text,
        (was.id IS DISTINCT FROM became.id)::text);
END
$$;

-- What a role of the Data API can reach of the catalog or of any mirror: the role, and the schema or table.
CREATE FUNCTION sidemirror.exposed() RETURNS TABLE (role_name text, object_name text)
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT r.rolname::text, pg_catalog.quote_ident(n.nspname) || COALESCE('.' || pg_catalog.quote_ident(c.relname), '')
FROM pg_catalog.pg_roles AS r
CROSS JOIN pg_catalog.pg_namespace AS n
LEFT JOIN pg_catalog.pg_class AS c ON c.relnamespace = n.oid AND c.relkind IN ('r', 'v', 'm', 'p')
WHERE r.rolname IN ('anon', 'authenticated', 'service_role')
  AND (n.nspname = 'sidemirror' OR n.nspname IN (SELECT d.schema_name FROM sidemirror.databases AS d))
  AND (
    pg_catalog.has_schema_privilege(r.oid, n.oid, 'USAGE, CREATE')
    OR pg_catalog.has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
    OR pg_catalog.has_any_column_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, REFERENCES')
  )
$$;

CREATE FUNCTION sidemirror.assert_private() RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    leak record;
BEGIN
    SELECT * INTO leak FROM sidemirror.exposed() LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SM003', MESSAGE = pg_catalog.format(
            'the role %s can reach %s, so the Data API could publish it', leak.role_name, leak.object_name);
    END IF;
END
$$;

-- A document's text as jsonb; or why jsonb cannot hold it (a NUL, a number that is too large, too deep).
CREATE FUNCTION sidemirror.try_jsonb(document bytea, OUT body jsonb, OUT why_not text)
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    body := pg_catalog.convert_from(document, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
    why_not := SQLERRM;
END
$$;

REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sidemirror FROM PUBLIC;
SELECT sidemirror.protect('sidemirror');
SELECT sidemirror.protect('sidemirror', tablename::text) FROM pg_catalog.pg_tables WHERE schemaname = 'sidemirror';
