-- The first statement of every run's transaction: one writer at a time, the right one, from where it thinks it is.
-- `token` tells the state that the transaction leaves from every other one.
CREATE OR REPLACE FUNCTION sidemirror.begin_run(
    source_name text, installation uuid, host text, expected_run bigint, token uuid
) RETURNS void
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
    UPDATE sidemirror.sources SET token = begin_run.token WHERE id = s.id;
    INSERT INTO sidemirror.writers (source_id, low, xid)
    VALUES (s.id, pg_catalog.pg_current_xact_id()::xid::text::bigint, pg_catalog.pg_current_xact_id());
END
$$;

-- Somebody is not the holder, and was told so: the holder is to hear of it. Once an hour is enough.
CREATE OR REPLACE FUNCTION sidemirror.note_refused(source_name text, host text) RETURNS void
LANGUAGE sql SET search_path = '' AS $$
UPDATE sidemirror.sources SET refused = host, refused_at = pg_catalog.clock_timestamp()
WHERE name = source_name
  AND (refused IS DISTINCT FROM host OR refused_at < pg_catalog.clock_timestamp() - interval '1 hour')
$$;

-- The way out of a run that meets a row which somebody else wrote: history must not take that for what was mirrored.
CREATE OR REPLACE FUNCTION sidemirror.edited(table_id integer, what text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'SM004', MESSAGE = (
        SELECT pg_catalog.format('the mirror of table %s of %s was changed by somebody else: %s', t.name, d.file, what)
        FROM sidemirror.tables AS t JOIN sidemirror.databases AS d ON d.id = t.database_id WHERE t.id = table_id);
END
$$;

-- Rows that a run expects to be there are gone, or some that it adds are there already.
CREATE OR REPLACE FUNCTION sidemirror.require_rows(table_id integer, what text, counted bigint, expected bigint) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF counted <> expected THEN
        PERFORM sidemirror.edited(table_id, pg_catalog.format('%s rows %s where %s were expected', counted, what, expected));
    END IF;
END
$$;

-- A mirrored table has the columns that it was left with; `columns`: each as its name, a space and its type.
CREATE OR REPLACE FUNCTION sidemirror.require_columns(table_id integer, relation text, columns text[]) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    there text[] := ARRAY(
        SELECT a.attname || ' ' || pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute AS a
        WHERE a.attrelid = pg_catalog.to_regclass(relation) AND a.attnum > 0 AND NOT a.attisdropped);
BEGIN
    -- What the source dropped may still be there beside them.
    IF NOT (there @> columns AND columns || ARRAY(
        SELECT s.key || ' ' || s.value FROM sidemirror.tables AS t, pg_catalog.jsonb_each_text(t.set_aside) AS s
        WHERE t.id = require_columns.table_id) @> there) THEN
        PERFORM sidemirror.edited(table_id, 'its columns are others');
    END IF;
END
$$;

-- Makes the schema for a database that was not mirrored before, under its plain name if nothing else has it.
CREATE OR REPLACE FUNCTION sidemirror.add_database(
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
