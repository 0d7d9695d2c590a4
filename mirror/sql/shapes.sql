-- A table as it was called, and the columns that it had, after a run.
CREATE OR REPLACE FUNCTION sidemirror.shape_at(table_id integer, run bigint) RETURNS sidemirror.table_shapes
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT s.table_id, s.until_run, s.name, s.mirror_name, s.key, s.columns FROM sidemirror.table_shapes AS s
WHERE s.table_id = shape_at.table_id AND s.until_run > shape_at.run
UNION ALL
SELECT t.id, NULL::bigint, t.name, t.mirror_name, t.key, t.columns FROM sidemirror.tables AS t WHERE t.id = shape_at.table_id
ORDER BY 2 NULLS LAST LIMIT 1
$$;

-- For each name that a column of that shape has had or has now, the one in the shape; NULL where rows are as they were.
CREATE OR REPLACE FUNCTION sidemirror.names_at(table_id integer, run bigint) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = '' AS $$
WITH shape AS (
    SELECT c->>'mirror' AS name, COALESCE(t.aliases->>(c->>'mirror'), c->>'mirror') AS now
    FROM sidemirror.tables AS t, jsonb_array_elements((sidemirror.shape_at(t.id, run)).columns) AS c
    WHERE t.id = names_at.table_id
)
SELECT jsonb_object_agg(n.name, s.name)
FROM sidemirror.tables AS t
CROSS JOIN shape AS s
CROSS JOIN LATERAL (
    SELECT s.now AS name UNION SELECT a.key FROM pg_catalog.jsonb_each_text(t.aliases) AS a WHERE a.value = s.now
) AS n
WHERE t.id = names_at.table_id AND (
    t.set_aside <> '{}' OR EXISTS (SELECT FROM sidemirror.table_shapes AS x WHERE x.table_id = t.id))
$$;

-- A row with the names of another shape.
CREATE OR REPLACE FUNCTION sidemirror.reshaped(image jsonb, names jsonb) RETURNS jsonb
LANGUAGE sql IMMUTABLE STRICT SET search_path = '' AS $$
SELECT pg_catalog.jsonb_strip_nulls(COALESCE(jsonb_object_agg(
    COALESCE(names->>i.key, i.key),
    CASE WHEN i.key <> '_exact' OR jsonb_typeof(i.value) <> 'object' THEN i.value ELSE (
        SELECT jsonb_object_agg(names->>e.key, e.value) FROM pg_catalog.jsonb_each(i.value) AS e WHERE names ? e.key) END
), '{}'))
FROM pg_catalog.jsonb_each(image) AS i WHERE names ? i.key OR i.key IN ('_rowid_', '_key', '_exact')
$$;

-- The Postgres table that has a mirrored table's rows, also after the source has dropped it; NULL where there is none.
CREATE OR REPLACE FUNCTION sidemirror.place_of(table_id integer) RETURNS text[]
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT CASE WHEN t.dropped_run IS NULL THEN ARRAY[d.schema_name, t.mirror_name]
    WHEN pg_catalog.to_regclass('sidemirror.aside_' || t.id) IS NOT NULL THEN ARRAY['sidemirror', 'aside_' || t.id] END
FROM sidemirror.tables AS t JOIN sidemirror.databases AS d ON d.id = t.database_id WHERE t.id = place_of.table_id
$$;

-- What the source dropped stays as it is, out of the way, for as long as a restore point needs it.
CREATE OR REPLACE FUNCTION sidemirror.set_table_aside(table_id integer, key_name text) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    place text[] := sidemirror.place_of(table_id);
BEGIN
    EXECUTE pg_catalog.format('ALTER TABLE %I.%I DROP CONSTRAINT IF EXISTS %I', place[1], place[2], key_name);
    EXECUTE pg_catalog.format('ALTER TABLE %I.%I RENAME TO %I', place[1], place[2], 'aside_' || table_id);
    EXECUTE pg_catalog.format('ALTER TABLE %I.%I SET SCHEMA sidemirror', place[1], 'aside_' || table_id);
END
$$;
