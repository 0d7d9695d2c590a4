-- The role that Supabase gives its users: much, but no superuser.
CREATE ROLE postgres LOGIN NOSUPERUSER CREATEDB CREATEROLE REPLICATION BYPASSRLS;
ALTER ROLE postgres SET search_path TO "$user", public, extensions;
ALTER ROLE postgres SET statement_timeout TO '120s';

-- The roles that the Data API acts as.
CREATE ROLE anon NOLOGIN NOINHERIT;
CREATE ROLE authenticated NOLOGIN NOINHERIT;
CREATE ROLE service_role NOLOGIN NOINHERIT BYPASSRLS;
CREATE ROLE authenticator LOGIN NOINHERIT;
GRANT anon, authenticated, service_role TO authenticator;
GRANT anon, authenticated, service_role TO postgres WITH ADMIN OPTION;
GRANT pg_monitor, pg_read_all_data, pg_signal_backend TO postgres;

-- Administration stays with supabase_admin, over the socket.
REVOKE CONNECT ON DATABASE template1 FROM PUBLIC;
