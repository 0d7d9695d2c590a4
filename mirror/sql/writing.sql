-- The first statement of every run's transaction: one writer at a time, the right one, from where it thinks it is.
CREATE OR REPLACE FUNCTION sidemirror.begin_run(source_name text, installation uuid, host text, expected_run bigint) RETURNS void
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

-- A document's text as jsonb; or why jsonb cannot hold it (a NUL, a number that is too large, too deep).
CREATE OR REPLACE FUNCTION sidemirror.try_jsonb(document bytea, OUT body jsonb, OUT why_not text)
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    body := pg_catalog.convert_from(document, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
    why_not := SQLERRM;
END
$$;

