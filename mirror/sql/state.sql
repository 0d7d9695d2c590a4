-- Everything that the target knows of one source as it stood after a run (NULL: the last one), in one answer.
CREATE OR REPLACE FUNCTION sidemirror.state(source_name text, at_run bigint DEFAULT NULL) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT jsonb_build_object(
    'source_id', s.id, 'holder', s.holder, 'holder_host', s.holder_host, 'held_since', s.held_since,
    'last_run', s.last_run, 'run', at.run, 'token', s.token,
    'refused', s.refused, 'refused_at', extract(epoch FROM s.refused_at),
    'target_bytes', pg_catalog.pg_database_size(pg_catalog.current_database()),
    'databases', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'id', d.id, 'file', d.file, 'schema_name', d.schema_name, 'token', d.token,
            'content_hash', encode(ds.content_hash, 'hex'),
            'sqlite_schema', dsc.sqlite_schema, 'mode', dsc.mode,
            'tables', COALESCE((
                SELECT jsonb_agg(jsonb_build_object(
                    'id', t.id, 'name', sh.name, 'mirror_name', sh.mirror_name, 'key_kind', t.key_kind,
                    'key', to_jsonb(sh.key), 'has_rowid', t.has_rowid, 'columns', sh.columns,
                    'dropped', t.dropped_run IS NOT NULL,
                    'rows', ts.row_count, 'hash', ts.content_hash)
                    || CASE WHEN t.dropped_run IS NULL AND sh.until_run IS NULL THEN '{}'
                        ELSE jsonb_build_object('place', sidemirror.place_of(t.id)) END
                    || CASE WHEN t.aliases = '{}' THEN '{}'
                        ELSE jsonb_build_object('aliases', t.aliases, 'set_aside', t.set_aside) END ORDER BY t.id)
                FROM sidemirror.tables AS t
                CROSS JOIN LATERAL sidemirror.shape_at(t.id, at.run) AS sh
                JOIN LATERAL (
                    SELECT * FROM sidemirror.table_states AS x
                    WHERE x.table_id = t.id AND x.run <= at.run ORDER BY x.run DESC LIMIT 1
                ) AS ts ON true
                WHERE t.database_id = d.id AND t.created_run <= at.run
                  AND (t.dropped_run IS NULL OR t.dropped_run > at.run)), '[]'::jsonb)
            ) ORDER BY d.file)
        FROM sidemirror.databases AS d
        JOIN LATERAL (
            SELECT * FROM sidemirror.database_states AS x
            WHERE x.database_id = d.id AND x.run <= at.run ORDER BY x.run DESC LIMIT 1
        ) AS ds ON true
        JOIN LATERAL (
            SELECT * FROM sidemirror.database_schemas AS x
            WHERE x.database_id = d.id AND x.run <= at.run ORDER BY x.run DESC LIMIT 1
        ) AS dsc ON true
        WHERE d.source_id = s.id AND d.created_run <= at.run
          AND (d.dropped_run IS NULL OR d.dropped_run > at.run)), '[]'::jsonb),
    'documents', COALESCE((
        SELECT jsonb_agg(jsonb_build_object(
            'id', d.id, 'file', d.file, 'sha256', encode(st.sha256, 'hex'), 'mode', st.mode, 'mtime_ns', st.mtime_ns
            ) ORDER BY d.file)
        FROM sidemirror.documents AS d
        JOIN LATERAL (
            SELECT * FROM sidemirror.document_states AS x
            WHERE x.document_id = d.id AND x.run <= at.run ORDER BY x.run DESC LIMIT 1
        ) AS st ON st.sha256 IS NOT NULL
        WHERE d.source_id = s.id), '[]'::jsonb))
FROM sidemirror.sources AS s
CROSS JOIN LATERAL (SELECT COALESCE(at_run, s.last_run) AS run) AS at
WHERE s.name = source_name
$$;

-- The same for one who knows the last one already, as long as nobody has written since then: only what has no part in it.
-- It looks at who can reach the mirror as well, so that a run that has nothing to do asks once.
CREATE OR REPLACE FUNCTION sidemirror.state_since(source_name text, known uuid) RETURNS jsonb
LANGUAGE plpgsql SET search_path = '' AS $$
DECLARE
    s sidemirror.sources;
BEGIN
    SELECT * INTO s FROM sidemirror.sources WHERE name = source_name;
    IF s.token = known THEN
        PERFORM sidemirror.assert_private();
        RETURN pg_catalog.jsonb_build_object(
            'target_bytes', pg_catalog.pg_database_size(pg_catalog.current_database()),
            'refused', s.refused, 'refused_at', extract(epoch FROM s.refused_at));
    END IF;
    RETURN sidemirror.state(source_name);
END
$$;

-- The last restore point at or before a time; NULL when there is none.
CREATE OR REPLACE FUNCTION sidemirror.run_at(source_name text, at timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT max(r.run) FROM sidemirror.runs AS r JOIN sidemirror.sources AS s ON s.id = r.source_id
WHERE s.name = source_name AND r.finished_at <= at
$$;
