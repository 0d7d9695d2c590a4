"""What the writer (backup) and the reader (restore) agree on: values, schemas, the target's tables."""
