ALTER DATABASE postgres OWNER TO postgres;
