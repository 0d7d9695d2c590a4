-- Version 10: thinning in the target, sql/thinning.sql. Functions only.
SELECT 10;
