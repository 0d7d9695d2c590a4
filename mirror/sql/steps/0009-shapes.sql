-- A table that changes its name or its columns goes on: what it was called and had before is kept for older restore points.
CREATE TABLE sidemirror.table_shapes (
    table_id    integer NOT NULL REFERENCES sidemirror.tables,
    until_run   bigint NOT NULL,            -- so it was in the runs before this one
    name        text NOT NULL,
    mirror_name text NOT NULL,
    key         text[] NOT NULL,
    columns     jsonb NOT NULL,
    PRIMARY KEY (table_id, until_run)
);
ALTER TABLE sidemirror.tables
    -- A name that a column of the mirror had, and the one that it has now. No name is ever given to a second column.
    ADD COLUMN aliases jsonb NOT NULL DEFAULT '{}',
    -- Columns that the source dropped: their names in the mirror now, each with its type.
    ADD COLUMN set_aside jsonb NOT NULL DEFAULT '{}';
