-- At the end of every installation and migration: nothing of the catalog is open to anybody but its owner.
REVOKE ALL ON ALL FUNCTIONS IN SCHEMA sidemirror FROM PUBLIC;
SELECT sidemirror.protect('sidemirror');
SELECT sidemirror.protect('sidemirror', tablename::text) FROM pg_catalog.pg_tables WHERE schemaname = 'sidemirror';
-- What came anew is open to the role for analysts, if that is on.
SELECT sidemirror.reader_on() WHERE sidemirror.reader_is_on();
