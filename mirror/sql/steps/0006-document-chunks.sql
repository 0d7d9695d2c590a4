-- Version 6: documents in pieces. Each piece (a few kB, cut by content) is stored once for a source, and a version is a list of
-- pieces: one more version of a large file of which little has changed takes little. jsonb is made when it is asked for.
CREATE TABLE sidemirror.document_chunks (
    id        bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id integer NOT NULL REFERENCES sidemirror.sources,
    sha256    bytea NOT NULL,
    bytes     bytea NOT NULL,
    UNIQUE (source_id, sha256)
);

ALTER TABLE sidemirror.document_contents RENAME TO document_contents_whole;
ALTER TABLE sidemirror.document_contents_whole RENAME CONSTRAINT document_contents_pkey TO document_contents_whole_pkey;
CREATE TABLE sidemirror.document_contents (
    source_id   integer NOT NULL REFERENCES sidemirror.sources,
    sha256      bytea NOT NULL,             -- of all of it
    size        bigint NOT NULL,
    is_json     boolean NOT NULL,
    why_not     text,                       -- why there is no jsonb of it; NULL: none is known
    chunks      bigint[] NOT NULL,          -- its pieces, in order
    list_sha256 bytea NOT NULL,             -- of the pieces' sha256, one after the other
    PRIMARY KEY (source_id, sha256)
);

-- What is there becomes pieces of one size. One version at a time is in memory, as it was when it came.
DO $$
DECLARE
    piece CONSTANT integer := 32768;
    whole record;
    list bigint[];
    hashes bytea;
    part bytea;
    part_id bigint;
BEGIN
    FOR whole IN SELECT source_id, sha256 FROM sidemirror.document_contents_whole LOOP
        DECLARE
            content bytea := (SELECT w.bytes FROM sidemirror.document_contents_whole AS w
                              WHERE w.source_id = whole.source_id AND w.sha256 = whole.sha256);
            why text := (SELECT w.body_why_not FROM sidemirror.document_contents_whole AS w
                         WHERE w.source_id = whole.source_id AND w.sha256 = whole.sha256);
        BEGIN
            list := '{}';
            hashes := '';
            FOR n IN 0 .. (pg_catalog.octet_length(content) - 1) / piece LOOP
                CONTINUE WHEN content = '';
                part := substring(content FROM n * piece + 1 FOR piece);
                INSERT INTO sidemirror.document_chunks AS c (source_id, sha256, bytes)
                VALUES (whole.source_id, pg_catalog.sha256(part), part)
                ON CONFLICT (source_id, sha256) DO UPDATE SET bytes = c.bytes RETURNING id INTO part_id;
                list := list || part_id;
                hashes := hashes || pg_catalog.sha256(part);
            END LOOP;
            INSERT INTO sidemirror.document_contents VALUES (
                whole.source_id, whole.sha256, pg_catalog.octet_length(content), true, why, list, pg_catalog.sha256(hashes));
        END;
    END LOOP;
END
$$;

-- Its place is kept until documents.sql makes it anew: somebody's own view may hang on it.
CREATE OR REPLACE VIEW sidemirror.documents_now AS
SELECT NULL::text AS source, NULL::text AS file, NULL::jsonb AS body, NULL::text AS body_why_not, NULL::bytea AS bytes,
       NULL::bigint AS run;
DROP TABLE sidemirror.document_contents_whole;
