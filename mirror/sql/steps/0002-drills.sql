-- Version 2: rehearsed restores. One row for each drill, good or bad; runs.proved_at is set by a good one.
CREATE TABLE sidemirror.drills (
    id           bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    source_id    integer NOT NULL REFERENCES sidemirror.sources,
    run          bigint NOT NULL,           -- the restore point that was restored
    at           timestamptz NOT NULL,      -- when it began
    installation uuid NOT NULL,
    seconds      double precision NOT NULL, -- how long the restore took: the measured recovery time
    rows         bigint NOT NULL,
    bytes        bigint NOT NULL,           -- what was downloaded
    ok           boolean NOT NULL,
    what         text                       -- what was wrong; NULL when nothing was
);
CREATE INDEX ON sidemirror.drills (source_id, id);

-- When the target was last seen to take a write although there was nothing to mirror.
ALTER TABLE sidemirror.sources ADD COLUMN canary_at timestamptz;
