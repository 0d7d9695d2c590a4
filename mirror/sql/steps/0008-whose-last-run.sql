-- Version 8: who wrote last. An installation's id comes along when a machine is cloned; what it wrote last does not.
ALTER TABLE sidemirror.sources
    ADD COLUMN token      uuid,             -- of the last writing; NULL: an older program's, which wrote none down
    ADD COLUMN refused    text,             -- the host that was last refused because it is not the holder
    ADD COLUMN refused_at timestamptz;
DROP FUNCTION IF EXISTS sidemirror.begin_run(text, uuid, text, bigint);
