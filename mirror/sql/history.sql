-- SQL for each key that later runs touched, with the row as it was, of the columns that the table had after `run`.
CREATE OR REPLACE FUNCTION sidemirror.undo(table_id integer, run bigint, until_run bigint, names jsonb) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
SELECT pg_catalog.format(
    'SELECT DISTINCT ON (h.key) h.key, %s AS before FROM sidemirror.history AS h '
    'WHERE h.table_id = %s AND h.run > %s AND h.run <= %s ORDER BY h.key, h.run',
    CASE WHEN names IS NULL THEN 'h.before' ELSE pg_catalog.format('sidemirror.reshaped(h.before, %L::jsonb)', names) END,
    table_id, run, until_run)
$$;

-- SQL for the rows of a mirrored table as they stood after a run: each row's key, and the row without its NULLs.
CREATE OR REPLACE FUNCTION sidemirror.rows_at(table_id integer, run bigint) RETURNS text
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT pg_catalog.format(
    'SELECT l.key, l.before AS image FROM (%1$s) AS l WHERE l.before IS NOT NULL', later.query
) || CASE WHEN later.place IS NULL THEN '' ELSE pg_catalog.format(
    ' UNION ALL SELECT n.key, n.image FROM (SELECT pg_catalog.jsonb_build_array(%2$s) AS key, '
    '%5$s AS image FROM %3$I.%4$I AS m) AS n '
    'WHERE NOT EXISTS (SELECT 1 FROM (%1$s) AS l WHERE l.key = n.key)',
    later.query,
    (SELECT pg_catalog.string_agg(pg_catalog.format('m.%I', k), ', ') FROM pg_catalog.unnest(t.key) AS k),
    later.place[1], later.place[2],
    CASE WHEN later.names IS NULL THEN 'pg_catalog.jsonb_strip_nulls(pg_catalog.to_jsonb(m))'
        ELSE pg_catalog.format('sidemirror.reshaped(pg_catalog.to_jsonb(m), %L::jsonb)', later.names) END
) END
FROM sidemirror.tables AS t
CROSS JOIN LATERAL (SELECT sidemirror.names_at(t.id, rows_at.run) AS names, sidemirror.place_of(t.id) AS place) AS n
CROSS JOIN LATERAL (
    SELECT n.names, n.place, sidemirror.undo(t.id, rows_at.run, 9223372036854775807, n.names) AS query) AS later
WHERE t.id = rows_at.table_id
$$;

-- Raises an error for a restore point that there is not, or not any more; 0 stands for before the first.
CREATE OR REPLACE FUNCTION sidemirror.require_point(source_name text, run bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    runs bigint[] := ARRAY(
        SELECT r.run FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = r.source_id
        WHERE s.name = source_name);
BEGIN
    IF run <> 0 AND run <> ALL (runs) THEN
        RAISE EXCEPTION USING ERRCODE = 'SM004',
            MESSAGE = pg_catalog.format('%s has no restore point %s, or none any more', source_name, run),
            HINT = pg_catalog.format('The last one before it is %s, the first one after it %s; sidemirror.runs lists all.',
                COALESCE((SELECT max(r) FROM pg_catalog.unnest(runs) AS r WHERE r < run)::text, 'none'),
                COALESCE((SELECT min(r) FROM pg_catalog.unnest(runs) AS r WHERE r > run)::text, 'none'));
    END IF;
END
$$;

-- What changed in one table between two restore points: each row that differs, as it was and as it became. A table that
-- was made anew in between, or got other columns, is compared whole. An error for a point or a table
-- that is not known: no rows would look like no changes.
CREATE OR REPLACE FUNCTION sidemirror.changes(source_name text, database_file text, table_name text, from_run bigint, to_run bigint)
RETURNS TABLE (key jsonb, change text, before jsonb, after jsonb)
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
DECLARE
    nothing CONSTANT text := 'SELECT NULL::jsonb AS key, NULL::jsonb AS image WHERE false';
    t record;
    was sidemirror.tables;
    became sidemirror.tables;
    same boolean;
    rows_before text := nothing;
BEGIN
    PERFORM sidemirror.require_point(source_name, from_run);
    PERFORM sidemirror.require_point(source_name, to_run);
    FOR t IN
        SELECT x AS found, (sidemirror.shape_at(x.id, from_run)).name AS name_then,
               (sidemirror.shape_at(x.id, to_run)).name AS name_now, x.created_run, x.dropped_run
        FROM sidemirror.tables AS x
        JOIN sidemirror.databases AS d ON d.id = x.database_id
        JOIN sidemirror.sources AS s ON s.id = d.source_id
        WHERE s.name = source_name AND d.file = database_file AND (x.name = table_name OR EXISTS (
            SELECT FROM sidemirror.table_shapes AS h WHERE h.table_id = x.id AND h.name = table_name))
    LOOP
        IF t.name_then = table_name AND t.created_run <= from_run AND (t.dropped_run IS NULL OR t.dropped_run > from_run) THEN
            was := t.found;
        END IF;
        IF t.name_now = table_name AND t.created_run <= to_run AND (t.dropped_run IS NULL OR t.dropped_run > to_run) THEN
            became := t.found;
        END IF;
    END LOOP;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'SM004', MESSAGE = pg_catalog.format(
            '%s has never had a table %s in %s', source_name, table_name, database_file);
    END IF;
    same := was.id IS NOT DISTINCT FROM became.id AND (sidemirror.shape_at(was.id, from_run)).until_run
        IS NOT DISTINCT FROM (sidemirror.shape_at(became.id, to_run)).until_run;
    IF same AND was.id IS NOT NULL THEN
        -- Only the rows that history names can differ.
        rows_before := pg_catalog.format('SELECT u.key, u.before AS image FROM (%s) AS u',
            sidemirror.undo(was.id, from_run, to_run, sidemirror.names_at(was.id, from_run)));
    ELSIF was.id IS NOT NULL THEN
        rows_before := sidemirror.rows_at(was.id, from_run);
    END IF;
    RETURN QUERY EXECUTE pg_catalog.format($query$
        WITH was AS (%1$s), became AS (%2$s), pairs AS (
            SELECT p.key, p.image AS before, b.image AS after FROM was AS p LEFT JOIN became AS b ON b.key = p.key AND %3$s
            UNION ALL
            SELECT b.key, NULL, b.image FROM became AS b
            WHERE %4$s AND NOT EXISTS (SELECT 1 FROM was AS p WHERE p.key = b.key AND %3$s)
        )
        SELECT p.key,
               CASE WHEN p.before IS NULL THEN 'inserted' WHEN p.after IS NULL THEN 'deleted' ELSE 'updated' END,
               p.before, p.after
        FROM pairs AS p WHERE p.before IS DISTINCT FROM p.after
    $query$,
        rows_before,
        CASE WHEN became.id IS NULL THEN nothing ELSE sidemirror.rows_at(became.id, to_run) END,
        (COALESCE(was.key, became.key) IS NOT DISTINCT FROM became.key)::text,
        (NOT same)::text);
END
$$;
