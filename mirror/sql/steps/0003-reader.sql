-- Version 3: a role for analysts, sql/reader.sql. Functions only.
SELECT 3;
