-- PgBouncer asks here for the SCRAM secret of whoever connects; nobody else may.
CREATE SCHEMA pgbouncer AUTHORIZATION pgbouncer;
CREATE FUNCTION pgbouncer.get_auth(p_usename text) RETURNS TABLE (usename text, password text)
    LANGUAGE sql SECURITY DEFINER SET search_path = ''
    AS $$
        SELECT rolname::text, rolpassword::text
        FROM pg_catalog.pg_authid
        WHERE rolname = p_usename AND rolcanlogin AND NOT rolsuper
    $$;
REVOKE ALL ON FUNCTION pgbouncer.get_auth(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.get_auth(text) TO pgbouncer;
