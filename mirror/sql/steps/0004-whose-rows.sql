-- Version 4: whose rows are they? Every row version names the transaction that wrote it (xmin), and ours are written down.
-- A row that was written after `checked_from` by none of them was written by somebody else.
CREATE TABLE sidemirror.writers (
    source_id integer NOT NULL REFERENCES sidemirror.sources,
    low       bigint NOT NULL,              -- the transaction as xmin shows it: without its epoch
    xid       xid8 NOT NULL,
    PRIMARY KEY (source_id, low, xid)
);

ALTER TABLE sidemirror.sources
    -- All mirrors of the source were seen to be what was mirrored, up to this transaction.
    ADD COLUMN checked_from xid8 NOT NULL DEFAULT pg_catalog.pg_current_xact_id(),
    -- A target that was dumped and loaded has other tables, and transactions that mean nothing.
    ADD COLUMN checked_in oid NOT NULL DEFAULT 'sidemirror.sources'::pg_catalog.regclass::oid;

-- What somebody else did to a mirror, kept when it was put right.
CREATE TABLE sidemirror.foreign_edits (
    id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id   integer NOT NULL REFERENCES sidemirror.sources,
    run         bigint NOT NULL,            -- the mirror was put back to how it was after this run
    repaired_at timestamptz NOT NULL DEFAULT now(),
    file        text NOT NULL,              -- of the database
    table_name  text NOT NULL,
    key         jsonb,                      -- of the row, as in history; NULL: the table as a whole had another shape
    found       jsonb,                      -- the row as it was found, without its NULLs; NULL: it was gone
    mirrored    jsonb                       -- the row as it was mirrored, and is again; NULL: it was not ours
);
CREATE INDEX ON sidemirror.foreign_edits (source_id, id);
