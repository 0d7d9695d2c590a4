-- The shrink guard looks back a day, but not beyond what a person let through: this run was accepted, or was a restore.
ALTER TABLE sidemirror.tables ADD COLUMN guarded_from bigint NOT NULL DEFAULT 0;
