-- Version 7: while one mirror stays changed by somebody else, all others are checked off on their own, so that the list of our
-- transactions does not grow with every run until it is repaired.
ALTER TABLE sidemirror.databases ADD COLUMN checked_from xid8;  -- as sources.checked_from, where it is later
