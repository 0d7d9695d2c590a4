-- The role for people who analyse: "sidemirror.reader" may read every mirror and the catalog, and nothing else. Off until
-- reader_on() is called; protect() then opens each new table to it as well.
CREATE OR REPLACE FUNCTION sidemirror.reader_is_on() RETURNS boolean
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT COALESCE(pg_catalog.has_schema_privilege(pg_catalog.to_regrole('"sidemirror.reader"')::oid, 'sidemirror', 'USAGE'), false)
$$;

CREATE OR REPLACE FUNCTION sidemirror.let_read(schema_name text, table_name text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    IF table_name IS NULL THEN
        EXECUTE pg_catalog.format('GRANT USAGE ON SCHEMA %I TO "sidemirror.reader"', schema_name);
        RETURN;
    END IF;
    EXECUTE pg_catalog.format('GRANT SELECT ON TABLE %I.%I TO "sidemirror.reader"', schema_name, table_name);
    EXECUTE pg_catalog.format('DROP POLICY IF EXISTS "sidemirror.reader" ON %I.%I', schema_name, table_name);
    EXECUTE pg_catalog.format(
        'CREATE POLICY "sidemirror.reader" ON %I.%I FOR SELECT TO "sidemirror.reader" USING (true)', schema_name, table_name);
END
$$;

-- The catalog's tables and those of every mirror that there is now.
CREATE OR REPLACE FUNCTION sidemirror.our_tables() RETURNS TABLE (schema_name name, table_name name)
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT n.nspname, c.relname
FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (
    n.nspname = 'sidemirror' OR n.nspname IN (SELECT d.schema_name FROM sidemirror.databases AS d WHERE d.dropped_run IS NULL))
$$;

CREATE OR REPLACE FUNCTION sidemirror.reader_on() RETURNS void
LANGUAGE plpgsql SET search_path = '' SET client_min_messages = warning AS $$
DECLARE
    t record;
BEGIN
    IF pg_catalog.to_regrole('"sidemirror.reader"') IS NULL THEN
        CREATE ROLE "sidemirror.reader" NOLOGIN;
    END IF;
    PERFORM sidemirror.let_read(d.schema_name) FROM sidemirror.databases AS d WHERE d.dropped_run IS NULL;
    FOR t IN SELECT * FROM sidemirror.our_tables() LOOP
        PERFORM sidemirror.let_read(t.schema_name, t.table_name);
    END LOOP;
    GRANT SELECT ON sidemirror.documents_now TO "sidemirror.reader";
    GRANT EXECUTE ON FUNCTION sidemirror.run_at(text, timestamptz), sidemirror.rows_at(integer, bigint),
        sidemirror.shape_at(integer, bigint), sidemirror.names_at(integer, bigint), sidemirror.reshaped(jsonb, jsonb),
        sidemirror.place_of(integer), sidemirror.undo(integer, bigint, bigint, jsonb),
        sidemirror.require_point(text, bigint),
        sidemirror.changes(text, text, text, bigint, bigint), sidemirror.document_bytes(integer, bytea),
        sidemirror.document_body(integer, bytea), sidemirror.try_jsonb(bytea) TO "sidemirror.reader";
    PERFORM sidemirror.let_read('sidemirror');
END
$$;

CREATE OR REPLACE FUNCTION sidemirror.reader_off() RETURNS void
LANGUAGE plpgsql SET search_path = '' SET client_min_messages = warning AS $$
DECLARE
    t record;
BEGIN
    IF pg_catalog.to_regrole('"sidemirror.reader"') IS NULL THEN
        RETURN;
    END IF;
    FOR t IN SELECT * FROM sidemirror.our_tables() LOOP
        EXECUTE pg_catalog.format('DROP POLICY IF EXISTS "sidemirror.reader" ON %I.%I', t.schema_name, t.table_name);
    END LOOP;
    FOR t IN SELECT DISTINCT o.schema_name FROM sidemirror.our_tables() AS o LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM "sidemirror.reader"', t.schema_name);
        EXECUTE pg_catalog.format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM "sidemirror.reader"', t.schema_name);
    END LOOP;
    FOR t IN SELECT 'sidemirror' AS schema_name UNION SELECT d.schema_name FROM sidemirror.databases AS d WHERE d.dropped_run IS NULL
    LOOP
        EXECUTE pg_catalog.format('REVOKE ALL ON SCHEMA %I FROM "sidemirror.reader"', t.schema_name);
    END LOOP;
END
$$;
