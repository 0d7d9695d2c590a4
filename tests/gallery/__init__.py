"""One small database for each peculiarity of SQLite: how to make it, and a change to it."""

from gallery import names, schemas, settings, tables, values
from gallery.case import Case

ALL: tuple[Case, ...] = (*values.CASES, *tables.CASES, *schemas.CASES, *names.CASES, *settings.CASES)
