-- Supabase's own schemas: empty here, but taken.
CREATE SCHEMA extensions AUTHORIZATION postgres;
GRANT USAGE ON SCHEMA extensions TO anon, authenticated, service_role;
CREATE EXTENSION pgcrypto SCHEMA extensions;

CREATE SCHEMA auth;
CREATE SCHEMA storage;
CREATE SCHEMA realtime;
CREATE SCHEMA graphql_public;
CREATE SCHEMA vault;
GRANT USAGE ON SCHEMA auth, storage, realtime, graphql_public TO anon, authenticated, service_role, postgres;
