-- A piece of a document; one that somebody has changed is put right.
CREATE OR REPLACE FUNCTION sidemirror.put_chunk(source_id integer, part bytea) RETURNS void
LANGUAGE sql SET search_path = '' AS $$
INSERT INTO sidemirror.document_chunks AS c (source_id, sha256, bytes)
VALUES (put_chunk.source_id, pg_catalog.sha256(put_chunk.part), put_chunk.part)
ON CONFLICT (source_id, sha256) DO UPDATE SET bytes = excluded.bytes WHERE c.bytes <> excluded.bytes
$$;

-- The sha256 of a list of pieces: of their own sha256, one after the other. One that is gone is left out, and so is, where
-- `exact`, one whose bytes are others.
CREATE OR REPLACE FUNCTION sidemirror.list_sha256(chunks bigint[], exact boolean DEFAULT false) RETURNS bytea
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT pg_catalog.sha256(COALESCE(pg_catalog.string_agg(k.sha256, ''::bytea ORDER BY u.n), ''::bytea))
FROM pg_catalog.unnest(list_sha256.chunks) WITH ORDINALITY AS u(id, n)
JOIN sidemirror.document_chunks AS k ON k.id = u.id AND (NOT exact OR pg_catalog.sha256(k.bytes) = k.sha256)
$$;

-- A version of a document. Its list is that of the version `base` up to `head` pieces, then `middle` (their sha256, one after
-- the other), then the last `tail` pieces of `base` again. An error if that is not the list that was meant.
CREATE OR REPLACE FUNCTION sidemirror.put_document(
    source_id integer, sha256 bytea, size bigint, is_json boolean, why_not text, list_sha256 bytea,
    base bytea, head integer, middle bytea, tail integer
) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
#variable_conflict use_variable
DECLARE
    before bigint[] := COALESCE((
        SELECT c.chunks FROM sidemirror.document_contents AS c WHERE c.source_id = source_id AND c.sha256 = base), '{}');
    list bigint[];
BEGIN
    list := before[1:head] || ARRAY(
        SELECT k.id FROM pg_catalog.generate_series(0, pg_catalog.octet_length(middle) / 32 - 1) AS n
        JOIN sidemirror.document_chunks AS k
            ON k.source_id = source_id AND k.sha256 = pg_catalog.substring(middle, n * 32 + 1, 32)
        ORDER BY n
    ) || before[pg_catalog.cardinality(before) - tail + 1:];
    IF sidemirror.list_sha256(list) <> list_sha256 THEN
        RAISE EXCEPTION USING ERRCODE = 'SM002', MESSAGE = 'pieces of a document are gone from the target';
    END IF;
    INSERT INTO sidemirror.document_contents AS c (source_id, sha256, size, is_json, why_not, chunks, list_sha256)
    VALUES (source_id, sha256, size, is_json, why_not, list, list_sha256)
    ON CONFLICT ON CONSTRAINT document_contents_pkey
    DO UPDATE SET chunks = excluded.chunks, list_sha256 = excluded.list_sha256, size = excluded.size
    WHERE c.chunks <> excluded.chunks OR c.list_sha256 <> excluded.list_sha256 OR c.size <> excluded.size;
END
$$;

-- Deletes what no restore point needs any more. A run waits for it, so that it cannot count on a piece that goes just now.
CREATE OR REPLACE FUNCTION sidemirror.delete_unused_documents(source_id integer) RETURNS void
LANGUAGE plpgsql SET search_path = '' AS $$
#variable_conflict use_variable
BEGIN
    PERFORM 1 FROM sidemirror.sources AS s WHERE s.id = source_id FOR UPDATE;
    DELETE FROM sidemirror.document_contents AS c WHERE c.source_id = source_id AND NOT EXISTS (
        SELECT 1 FROM sidemirror.document_states AS s JOIN sidemirror.documents AS d ON d.id = s.document_id
        WHERE d.source_id = c.source_id AND s.sha256 = c.sha256);
    IF FOUND THEN
        DELETE FROM sidemirror.document_chunks AS k WHERE k.source_id = source_id AND NOT EXISTS (
            SELECT 1 FROM (
                SELECT DISTINCT u.id FROM sidemirror.document_contents AS c, pg_catalog.unnest(c.chunks) AS u(id)
                WHERE c.source_id = source_id) AS used
            WHERE used.id = k.id);
    END IF;
END
$$;

-- What the pieces take that are in no document as it is now, as they are stored.
CREATE OR REPLACE FUNCTION sidemirror.older_document_bytes(source_id integer) RETURNS bigint
LANGUAGE sql STABLE SET search_path = '' AS $$
WITH now_there AS (
    SELECT DISTINCT ON (d.id) s.sha256 FROM sidemirror.documents AS d
    JOIN sidemirror.document_states AS s ON s.document_id = d.id
    WHERE d.source_id = older_document_bytes.source_id ORDER BY d.id, s.run DESC
), needed AS (
    SELECT DISTINCT u.id FROM sidemirror.document_contents AS c, pg_catalog.unnest(c.chunks) AS u(id)
    WHERE c.source_id = older_document_bytes.source_id AND c.sha256 IN (SELECT n.sha256 FROM now_there AS n)
)
SELECT COALESCE(sum(pg_catalog.pg_column_size(k.bytes)), 0) FROM sidemirror.document_chunks AS k
WHERE k.source_id = older_document_bytes.source_id AND NOT EXISTS (SELECT 1 FROM needed AS n WHERE n.id = k.id)
$$;

-- A document's bytes; NULL where a piece is gone.
CREATE OR REPLACE FUNCTION sidemirror.document_bytes(source_id integer, sha256 bytea) RETURNS bytea
LANGUAGE sql STABLE SET search_path = '' AS $$
SELECT (
    SELECT CASE WHEN count(*) = count(k.id) THEN COALESCE(pg_catalog.string_agg(k.bytes, ''::bytea ORDER BY u.n), ''::bytea) END
    FROM pg_catalog.unnest(c.chunks) WITH ORDINALITY AS u(id, n) LEFT JOIN sidemirror.document_chunks AS k ON k.id = u.id)
FROM sidemirror.document_contents AS c
WHERE c.source_id = document_bytes.source_id AND c.sha256 = document_bytes.sha256
$$;

-- Text as jsonb; or why jsonb cannot hold it (a NUL, a number that is too large, too deep).
CREATE OR REPLACE FUNCTION sidemirror.try_jsonb(document bytea, OUT body jsonb, OUT why_not text)
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
BEGIN
    body := pg_catalog.convert_from(document, 'UTF8')::jsonb;
EXCEPTION WHEN OTHERS THEN
    why_not := SQLERRM;
END
$$;

-- A document as jsonb, or why there is none of it. Larger ones than 4 MB are not even tried: that can take all of a server's memory.
CREATE OR REPLACE FUNCTION sidemirror.document_body(source_id integer, sha256 bytea, OUT body jsonb, OUT why_not text)
LANGUAGE plpgsql STABLE SET search_path = '' AS $$
#variable_conflict use_variable
DECLARE
    known sidemirror.document_contents;
BEGIN
    SELECT c.* INTO known FROM sidemirror.document_contents AS c WHERE c.source_id = source_id AND c.sha256 = sha256;
    why_not := COALESCE(known.why_not, CASE WHEN known.size > 4000000 THEN 'it has more than 4 MB, so it is kept as bytes only' END);
    IF why_not IS NULL THEN
        SELECT t.body, t.why_not INTO body, why_not
        FROM sidemirror.try_jsonb(sidemirror.document_bytes(source_id, sha256)) AS t;
    END IF;
END
$$;

-- Every document as it is after the last run. `bytes` is NULL above 16 MB: document_bytes() gives them all the same.
CREATE OR REPLACE VIEW sidemirror.documents_now AS
SELECT s.name AS source, d.file, (sidemirror.document_body(c.source_id, c.sha256)).body AS body,
       (sidemirror.document_body(c.source_id, c.sha256)).why_not AS body_why_not,
       CASE WHEN c.size <= 16000000 THEN sidemirror.document_bytes(c.source_id, c.sha256) END AS bytes, st.run
FROM sidemirror.documents AS d
JOIN sidemirror.sources AS s ON s.id = d.source_id
JOIN LATERAL (
    SELECT * FROM sidemirror.document_states WHERE document_id = d.id ORDER BY run DESC LIMIT 1
) AS st ON st.sha256 IS NOT NULL
JOIN sidemirror.document_contents AS c ON c.source_id = d.source_id AND c.sha256 = st.sha256;
