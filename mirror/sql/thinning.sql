-- The lock on one restore point: shared by whoever reads it, exclusive for the moment in which it is taken off the list.
CREATE OR REPLACE FUNCTION sidemirror.point_key(source_id integer, run bigint) RETURNS bigint
LANGUAGE sql IMMUTABLE SET search_path = '' AS $$
SELECT pg_catalog.hashtextextended('sidemirror point ' || source_id || '/' || run, 0)
$$;

-- For the length of the transaction the point stays; an error where it is gone.
CREATE OR REPLACE FUNCTION sidemirror.hold_point(source_id integer, held bigint) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
BEGIN
    PERFORM pg_catalog.pg_advisory_xact_lock_shared(sidemirror.point_key(source_id, held));
    IF NOT EXISTS (SELECT FROM sidemirror.runs AS r WHERE r.source_id = hold_point.source_id AND r.run = held) THEN
        RAISE EXCEPTION USING ERRCODE = 'SM005', MESSAGE = pg_catalog.format(
            'restore point %s is not there any more: RETENTION thinned it out while it was read', held);
    END IF;
END
$$;

-- Takes points off the list, so that nobody restores them; those that somebody reads stay. Gives how many went.
CREATE OR REPLACE FUNCTION sidemirror.forget_points(source_id integer, gone bigint[]) RETURNS bigint
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    point bigint;
    free bigint[] := '{}';
    went bigint;
BEGIN
    FOREACH point IN ARRAY gone LOOP
        IF pg_catalog.pg_try_advisory_xact_lock(sidemirror.point_key(source_id, point)) THEN
            free := free || point;
        END IF;
    END LOOP;
    DELETE FROM sidemirror.runs AS r WHERE r.source_id = forget_points.source_id AND r.run = ANY (free);
    GET DIAGNOSTICS went = ROW_COUNT;
    RETURN went;
END
$$;

-- One short step in bringing the history in line with the points that are left: of each row's before-images between two of
-- them, all but the earliest go, and all before the first. At most `budget` rows; true as long as there is more to do.
CREATE OR REPLACE FUNCTION sidemirror.merge_step(source_id integer, budget integer) RETURNS boolean
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    todo record;
    mirrored integer;
    rows_left integer := budget;
    done integer;
BEGIN
    FOR todo IN
        SELECT p.after, p.run FROM (
            SELECT lag(r.run, 1, 0) OVER (ORDER BY r.run) AS after, r.run, r.merged_after
            FROM sidemirror.runs AS r WHERE r.source_id = merge_step.source_id
        ) AS p WHERE p.merged_after <> p.after ORDER BY p.run
    LOOP
        FOR mirrored IN
            SELECT t.id FROM sidemirror.tables AS t JOIN sidemirror.databases AS d ON d.id = t.database_id
            WHERE d.source_id = merge_step.source_id AND EXISTS (
                SELECT FROM sidemirror.history AS h WHERE h.table_id = t.id AND h.run > todo.after AND h.run <= todo.run)
        LOOP
            IF todo.after = 0 THEN
                DELETE FROM sidemirror.history AS x WHERE x.ctid = ANY (ARRAY(
                    SELECT h.ctid FROM sidemirror.history AS h WHERE h.table_id = mirrored AND h.run <= todo.run
                    LIMIT rows_left));
            ELSE
                DELETE FROM sidemirror.history AS x WHERE x.ctid = ANY (ARRAY(
                    SELECT r.ctid FROM (
                        SELECT h.ctid, row_number() OVER (PARTITION BY h.key ORDER BY h.run) AS n
                        FROM sidemirror.history AS h WHERE h.table_id = mirrored AND h.run > todo.after AND h.run <= todo.run
                    ) AS r WHERE r.n > 1 LIMIT rows_left));
            END IF;
            GET DIAGNOSTICS done = ROW_COUNT;
            rows_left := rows_left - done;
            IF rows_left <= 0 THEN
                RETURN true;
            END IF;
        END LOOP;
        PERFORM sidemirror.merge_states(source_id, todo.after, todo.run);
        rows_left := sidemirror.delete_dropped(source_id, todo.after, todo.run, rows_left);
        IF rows_left <= 0 THEN
            RETURN true;
        END IF;
        UPDATE sidemirror.runs AS r SET merged_after = todo.after
        WHERE r.source_id = merge_step.source_id AND r.run = todo.run;
        rows_left := rows_left - 20;
        IF rows_left <= 0 THEN
            RETURN true;
        END IF;
    END LOOP;
    RETURN false;
END
$$;

-- Keeps the last of each state's versions in the runs after `after` up to `run`.
CREATE OR REPLACE FUNCTION sidemirror.merge_states(source_id integer, after bigint, run bigint) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    kind record;
BEGIN
    FOR kind IN SELECT * FROM (VALUES
        ('table_states', 'table_id', 'SELECT t.id FROM sidemirror.tables AS t '
            'JOIN sidemirror.databases AS d ON d.id = t.database_id WHERE d.source_id = $1'),
        ('database_states', 'database_id', 'SELECT d.id FROM sidemirror.databases AS d WHERE d.source_id = $1'),
        ('database_schemas', 'database_id', 'SELECT d.id FROM sidemirror.databases AS d WHERE d.source_id = $1'),
        ('document_states', 'document_id', 'SELECT d.id FROM sidemirror.documents AS d WHERE d.source_id = $1')
    ) AS k (states, owner, owners) LOOP
        EXECUTE pg_catalog.format(
            'DELETE FROM sidemirror.%1$I AS x WHERE x.%2$I IN (%3$s) AND x.run > $2 AND x.run < $3 '
            'AND EXISTS (SELECT 1 FROM sidemirror.%1$I AS y WHERE y.%2$I = x.%2$I AND y.run > x.run AND y.run <= $3)',
            kind.states, kind.owner, kind.owners) USING source_id, after, run;
    END LOOP;
END
$$;

-- Deletes tables and databases that came and went between two kept points, or before the oldest, and what only older points
-- needed of others. Gives what is left of the rows that may be deleted: 0 or less where there is more to do.
CREATE OR REPLACE FUNCTION sidemirror.delete_dropped(source_id integer, after bigint, run bigint, budget integer) RETURNS integer
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    gone integer;
    done integer;
BEGIN
    FOR gone IN
        SELECT t.id FROM sidemirror.tables AS t JOIN sidemirror.databases AS d ON d.id = t.database_id
        WHERE d.source_id = delete_dropped.source_id AND t.created_run > after AND t.dropped_run <= delete_dropped.run
    LOOP
        DELETE FROM sidemirror.history AS x WHERE x.ctid = ANY (ARRAY(
            SELECT h.ctid FROM sidemirror.history AS h WHERE h.table_id = gone LIMIT budget));
        GET DIAGNOSTICS done = ROW_COUNT;
        budget := budget - done;
        IF budget <= 0 THEN
            RETURN budget;
        END IF;
        EXECUTE pg_catalog.format('DROP TABLE IF EXISTS sidemirror.%I CASCADE', 'aside_' || gone);
        DELETE FROM sidemirror.table_states AS x WHERE x.table_id = gone;
        DELETE FROM sidemirror.table_shapes AS x WHERE x.table_id = gone;
        DELETE FROM sidemirror.tables AS x WHERE x.id = gone;
    END LOOP;
    FOR gone IN
        SELECT d.id FROM sidemirror.databases AS d WHERE d.source_id = delete_dropped.source_id
        AND d.created_run > after AND d.dropped_run <= delete_dropped.run
    LOOP
        DELETE FROM sidemirror.database_states AS x WHERE x.database_id = gone;
        DELETE FROM sidemirror.database_schemas AS x WHERE x.database_id = gone;
        DELETE FROM sidemirror.databases AS x WHERE x.id = gone;
    END LOOP;
    IF after = 0 THEN
        DELETE FROM sidemirror.table_shapes AS x USING sidemirror.tables AS t, sidemirror.databases AS d
        WHERE t.id = x.table_id AND d.id = t.database_id AND d.source_id = delete_dropped.source_id
          AND x.until_run <= delete_dropped.run;
    END IF;
    RETURN budget;
END
$$;

-- What stands aside in tables that have no older shape any more, and documents that no point has. No run goes on meanwhile:
-- one could be about to use what is deleted. False, and nothing done, while one does.
CREATE OR REPLACE FUNCTION sidemirror.sweep(source_name text) RETURNS boolean
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    t record;
    gone text;
BEGIN
    IF NOT pg_catalog.pg_try_advisory_xact_lock(pg_catalog.hashtextextended('sidemirror.' || source_name, 0)) THEN
        RETURN false;
    END IF;
    PERFORM pg_catalog.set_config('lock_timeout', '1s', true);
    FOR t IN
        SELECT x.id, x.set_aside, d.schema_name, x.mirror_name FROM sidemirror.tables AS x
        JOIN sidemirror.databases AS d ON d.id = x.database_id JOIN sidemirror.sources AS s ON s.id = d.source_id
        WHERE s.name = source_name AND x.dropped_run IS NULL AND (x.aliases <> '{}' OR x.set_aside <> '{}')
          AND NOT EXISTS (SELECT FROM sidemirror.table_shapes AS h WHERE h.table_id = x.id)
    LOOP
        BEGIN
            FOR gone IN SELECT pg_catalog.jsonb_object_keys(t.set_aside) LOOP
                EXECUTE pg_catalog.format('ALTER TABLE %I.%I DROP COLUMN IF EXISTS %I', t.schema_name, t.mirror_name, gone);
            END LOOP;
            UPDATE sidemirror.tables AS x SET aliases = '{}', set_aside = '{}' WHERE x.id = t.id;
        EXCEPTION WHEN lock_not_available OR dependent_objects_still_exist THEN
            NULL;  -- somebody reads the table, or has a view on the column; the next time
        END;
    END LOOP;
    PERFORM sidemirror.delete_unused_documents(s.id) FROM sidemirror.sources AS s WHERE s.name = source_name;
    RETURN true;
END
$$;
