-- Who PgBouncer looks secrets up as.
CREATE ROLE pgbouncer LOGIN;
