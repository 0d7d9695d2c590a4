-- Takes a schema or a table away from everyone but its owner, the roles of Supabase's Data API above all.
CREATE OR REPLACE FUNCTION sidemirror.protect(schema_name text, table_name text DEFAULT NULL) RETURNS void
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
    IF sidemirror.reader_is_on() THEN
        PERFORM sidemirror.let_read(schema_name, table_name);
    END IF;
END
$$;

-- What a role of the Data API can reach of the catalog or of any mirror: the role, and the schema or table.
CREATE OR REPLACE FUNCTION sidemirror.exposed() RETURNS TABLE (role_name text, object_name text)
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

CREATE OR REPLACE FUNCTION sidemirror.assert_private() RETURNS void
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
