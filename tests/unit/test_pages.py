"""What is found by pages is what a comparison of everything finds, whatever was done to a database, step after step."""

from __future__ import annotations

import contextlib
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import oracle
import pytest

from backup import snapshot, sums
from backup.btree import Pages, Unclear
from backup.pair import Pair
from backup.ranges import changed_ranges
from backup.refresh import Base
from backup.soundness import Soundness
from mirror.lines import table_content
from mirror.schema import Schema, read_schema

# How many databases live; the long profile is for the night.
LIVES = {"quick": 8, "ci": 12, "nightly": 1500}
STEPS = 40
PAGE_SIZES = (512, 1024, 4096, 8192, 65536)


class Life:
    """A database that things happen to, and what the sidecar keeps of it."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.chance = random.Random(seed)
        self.folder = folder
        self.source = folder / "bot.db"
        self.wal = self.chance.random() < 0.7
        self.page_size = self.chance.choice(PAGE_SIZES)
        self.bot = self.open()
        self.bot.execute(f"PRAGMA page_size = {self.page_size}")
        self.bot.execute(f"PRAGMA auto_vacuum = {self.chance.choice((0, 0, 1, 2))}")
        self.bot.execute(f"PRAGMA encoding = '{self.chance.choice(('UTF-8', 'UTF-8', 'UTF-16le', 'UTF-16be'))}'")
        self.bot.execute(f"PRAGMA journal_mode = {'WAL' if self.wal else 'DELETE'}")
        for number in range(self.chance.randint(1, 4)):
            self.create(number)
        self.shadow = folder / "shadow.sqlite"
        self.found: Counter[str] = Counter()
        taken = snapshot.take(self.source, self.shadow, False, None)
        self.base = Base(self.shadow, None, frozenset(), taken.position, taken.sums)

    def open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.source, isolation_level=None)
        connection.execute(f"PRAGMA wal_autocheckpoint = {self.chance.choice((1, 5, 1000, 1000))}")
        connection.execute(f"PRAGMA cache_size = {self.chance.choice((3, 2000))}")
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    def create(self, number: int) -> None:
        key = self.chance.choice(("id INTEGER PRIMARY KEY", "id INTEGER PRIMARY KEY AUTOINCREMENT", "id INT", "w"))
        if key == "w":
            self.bot.execute(f"CREATE TABLE t{number} (id INTEGER, a, b, PRIMARY KEY (id)) WITHOUT ROWID")
        else:
            self.bot.execute(f"CREATE TABLE t{number} ({key}, a, b)")
        if self.chance.random() < 0.5:
            self.bot.execute(f"CREATE INDEX i{number} ON t{number} ({self.chance.choice(('a', 'b'))})")

    def tables(self) -> list[str]:
        return [name for (name,) in self.bot.execute("SELECT name FROM sqlite_schema WHERE name GLOB 't[0-9]*'")]

    def value(self) -> object:
        size = self.chance.choice((0, 3, 20, 100, 500, self.page_size, 3 * self.page_size))
        kind = self.chance.randrange(5)
        if kind < 3:
            return (None, self.chance.randrange(1000), self.chance.random())[kind]
        size = min(size, 9_000)
        return self.chance.randbytes(size) if kind == 3 else "".join(self.chance.choices("abcäß", k=min(size, 1500)))

    def step(self) -> None:
        """One thing that a bot does; what SQLite refuses does not happen."""
        step = self.chance.choice(self.STEPS)
        tables = self.tables()
        if tables:
            with contextlib.suppress(sqlite3.IntegrityError):
                step(self, self.chance.choice(tables))
        if self.bot.in_transaction:
            self.bot.execute(self.chance.choice(("COMMIT", "COMMIT", "COMMIT", "ROLLBACK")))

    def insert(self, table: str) -> None:
        self.bot.execute("BEGIN")
        at = self.chance.choice((None, -5, 0, 10_000, 1 << 40))
        if at is None:
            [(at,)] = self.bot.execute(f"SELECT coalesce(max(id), 0) + 1 FROM {table}").fetchall()
        apart = self.chance.choice((1, 7))
        for i in range(self.chance.choice((1, 1, 5, 30, 150))):
            row = (at + i * apart, self.value(), self.value())
            self.bot.execute(f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)", row)

    def update(self, table: str) -> None:
        self.bot.execute(f"UPDATE {table} SET {self.chance.choice('ab')} = ? WHERE {self.some()}", (self.value(),))

    def overwrite(self, table: str) -> None:
        """The same size as before: SQLite writes into the pages that are there, overflow pages perhaps alone."""
        for key, blob in self.bot.execute(
            f"SELECT id, a FROM {table} WHERE typeof(a) = 'blob' AND length(a) > 100 AND {self.some()} LIMIT 3"
        ).fetchall():
            changed = bytearray(blob)
            changed[self.chance.choice((-1, len(blob) // 2, 0))] ^= 1
            self.bot.execute(f"UPDATE {table} SET a = ? WHERE id = ?", (bytes(changed), key))

    def some(self) -> str:
        return self.chance.choice(("id % 7 = 1", "id % 50 = 3", "id < 20", "id > 100", "1", "id = 5"))

    def delete(self, table: str) -> None:
        self.bot.execute(f"DELETE FROM {table} WHERE {self.some()}")

    def move_keys(self, table: str) -> None:
        self.bot.execute(f"UPDATE OR IGNORE {table} SET id = id + 1000 WHERE {self.some()}")

    def empty_and_fill_another(self, table: str) -> None:
        self.bot.execute("BEGIN")
        other = self.chance.choice(self.tables())
        rows = self.bot.execute(f"SELECT id, a, b FROM {table}").fetchall()
        self.bot.execute(f"DELETE FROM {table}")
        self.bot.executemany(f"INSERT OR IGNORE INTO {other} VALUES (?, ?, ?)", rows)

    def drop_and_create(self, table: str) -> None:
        self.bot.execute("BEGIN")
        rows = self.bot.execute(f"SELECT id, a, b FROM {table}").fetchall()
        self.bot.execute(f"DROP TABLE {table}")
        self.create(int(table[1:]))
        if self.chance.random() < 0.5:
            self.bot.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?, ?, ?)", rows)

    def change_schema(self, table: str) -> None:
        number = self.chance.randrange(10_000)
        statements = (
            f"CREATE INDEX IF NOT EXISTS x{number} ON {table} (b)",
            f"CREATE TABLE IF NOT EXISTS t{number % 9} (id INTEGER PRIMARY KEY, a, b)",
            f"CREATE VIEW IF NOT EXISTS v{number} AS SELECT * FROM {table}",
        )
        self.bot.execute(self.chance.choice(statements))

    def vacuum(self, table: str) -> None:
        self.bot.execute(self.chance.choice(("VACUUM", "PRAGMA incremental_vacuum", "PRAGMA incremental_vacuum(2)")))

    def checkpoint(self, table: str) -> None:
        self.bot.execute(f"PRAGMA wal_checkpoint({self.chance.choice(('PASSIVE', 'RESTART', 'TRUNCATE'))})").fetchall()

    def reopen(self, table: str) -> None:
        self.bot.close()
        self.bot = self.open()
        self.bot.execute("SELECT count(*) FROM sqlite_schema").fetchone()

    def journal(self, table: str) -> None:
        """Past the WAL and back to it."""
        self.bot.execute("PRAGMA journal_mode = DELETE")
        if self.chance.random() < 0.7:
            self.bot.execute(f"UPDATE {table} SET b = 'past the WAL' WHERE {self.some()}")
        self.bot.execute(f"PRAGMA journal_mode = {'WAL' if self.wal else 'DELETE'}")

    STEPS: tuple[Callable[[Life, str], None], ...] = (
        *(insert, update, delete, overwrite) * 6,
        *(move_keys, empty_and_fill_another, drop_and_create, change_schema, checkpoint, reopen) * 2,
        vacuum,
        journal,
    )

    def look(self, number: int) -> None:
        """A snapshot as a run takes it, held against the source and against a comparison of everything."""
        into = self.folder / f"{number}.sqlite"
        self.bot.execute("SELECT count(*) FROM sqlite_schema").fetchone()  # so that the WAL index is there
        taken = snapshot.take(self.source, into, False, self.base)
        truth = self.folder / "truth.db"
        truth.unlink(missing_ok=True)
        with closing(sqlite3.connect(self.source)) as source, closing(sqlite3.connect(truth)) as copy:
            source.backup(copy)  # page by page, but for the counters in page 1
        assert into.read_bytes()[100:] == truth.read_bytes()[100:]
        if self.chance.random() < 0.05:
            assert oracle.differences(truth, into) == []
            assert oracle.integrity(into) == []
        assert taken.sums.values == sums.of_file(into).values
        changed = taken.changed or frozenset()
        if taken.changed is None:
            self.found["copied whole"] += 1
        else:
            self.found["by the WAL" if self.wal and self.base.position else "by comparing pages"] += 1
            assert differing_pages(self.shadow, into) <= changed
            self.compare(into, schema_of(self.shadow), schema_of(into), changed)
        spare = self.folder / f"{number}.spare"
        if (
            self.chance.random() < 0.8
        ):  # the run came through: the snapshot is the shadow now, the shadow the spare copy
            self.shadow.rename(spare)
            self.shadow = into
            self.base = Base(into, spare if taken.changed is not None else None, changed, taken.position, taken.sums)
        elif taken.changed is not None:  # no row had changed: the snapshot is the spare copy
            into.rename(spare)
            self.base = Base(self.shadow, spare, changed, self.base.position, self.base.sums)
        else:  # the run failed
            into.unlink()
            self.base = Base(self.shadow, None, frozenset(), self.base.position, self.base.sums)
        for other in [*self.folder.glob("*.sqlite"), *self.folder.glob("*.spare")]:
            if other not in (self.shadow, self.base.spare):
                other.unlink()

    def compare(self, into: Path, old_schema: Schema, schema: Schema, changed: frozenset[int]) -> None:
        with ExitStack() as stack:
            files = {"main": (into, sums.of_file(into)), "shadow": (self.shadow, self.base.sums)}
            pair = stack.enter_context(closing(Pair(into, schema, self.shadow, old_schema, Soundness(stack, files))))
            was, now = (stack.enter_context(closing(Pages(path))) for path in (self.shadow, into))
            try:
                ranges = changed_ranges(pair, was, now, changed)
            except Unclear:  # a page that was given up can hold anything; then whole tables are compared
                self.found["not understood"] += 1
                return
            for number, table in enumerate(schema.tables):
                old = old_schema.table(table.name)
                if old != table:
                    assert table.name not in ranges
                    continue
                before = table_content(pair.connection, "shadow", table, pair.encoding)
                pair.find_changes(table, old, before.rows, 1000 + number)
                if table.name not in ranges:
                    self.found["tables compared whole"] += 1
                    continue
                assert not (table.without_rowid and ranges[table.name]), "it has no rowids that a range could name"
                self.found["tables by ranges"] += 1
                content = before
                if ranges[table.name]:
                    pair.find_changes_in(table, old, ranges[table.name], number)
                    content = pair.content_after(table, old, before, number)
                else:
                    self.found["tables known as unchanged"] += 1
                for name in ("up", "gone"):
                    whole = rows(pair, f"{name}_{1000 + number}")
                    by_range = rows(pair, f"{name}_{number}") if ranges[table.name] else []
                    assert by_range == whole, f"{name} of {table.name}"
                    self.found["rows"] += len(whole)
                assert content == table_content(pair.connection, "main", table, pair.encoding)


def rows(pair: Pair, name: str) -> list[object]:
    return pair.connection.execute(f"SELECT * FROM temp.{name} ORDER BY 1").fetchall()


def schema_of(path: Path) -> Schema:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro&immutable=1", uri=True)) as connection:
        return read_schema(connection, "wal")


def differing_pages(path: Path, other: Path) -> set[int]:
    with closing(Pages(path)) as was, closing(Pages(other)) as now:
        both, most = min(was.count, now.count), max(was.count, now.count)
        return {n for n in range(1, both + 1) if was.page(n) != now.page(n)} | set(range(both + 1, most + 1))


@pytest.fixture
def lives(tmp_path: Path) -> Iterator[Callable[[int], Life]]:
    made: list[Life] = []

    def live(seed: int) -> Life:
        folder = tmp_path / str(seed)
        folder.mkdir()
        made.append(Life(folder, seed))
        return made[-1]

    yield live
    for life in made:
        life.bot.close()


def test_what_is_found_by_pages_is_what_a_comparison_of_everything_finds(lives: Callable[[int], Life]) -> None:
    found: Counter[str] = Counter()
    first = int(os.environ.get("FIRST_SEED", "0"))
    for seed in range(first, first + LIVES[os.environ.get("HYPOTHESIS_PROFILE", "ci")]):
        life = lives(seed)
        for number in range(STEPS):
            try:
                for _ in range(life.chance.choice((1, 1, 2, 4))):
                    life.step()
                life.look(number)
            except Exception as error:
                raise AssertionError(f"seed {seed}, step {number}") from error
        found += life.found
        life.bot.close()
        for path in life.folder.iterdir():
            path.unlink()
    print(dict(found))
    assert found["by the WAL"]
    assert found["by comparing pages"]
    assert found["tables by ranges"] > found["tables compared whole"] > 0
    assert found["not understood"] * 100 < found["tables by ranges"]
    assert found["tables known as unchanged"]
    assert found["rows"]


def test_a_damaged_page_is_understood_or_said_to_be_unclear(lives: Callable[[int], Life]) -> None:
    """Whatever is in a changed page: the ranges are found, or it is Unclear, and nothing else is raised."""
    life = lives(1)
    life.bot.execute("CREATE TABLE IF NOT EXISTS t8 (id INTEGER PRIMARY KEY, a, b)")
    life.bot.executemany("INSERT OR IGNORE INTO t8 VALUES (?, ?, ?)", [(i, life.value(), "x") for i in range(500)])
    into, shadow = life.folder / "copy.sqlite", life.folder / "old.sqlite"
    snapshot.take(life.source, into, False, None)
    sound = into.read_bytes()
    shadow.write_bytes(sound)
    unclear = 0
    for _ in range(300):
        content = bytearray(sound)
        number = life.chance.randrange(1, len(content) // life.page_size)
        for _ in range(life.chance.choice((1, 5, 50))):
            content[number * life.page_size + life.chance.randrange(life.page_size)] = life.chance.randrange(256)
        into.write_bytes(content)
        try:
            with ExitStack() as stack:
                pair = stack.enter_context(closing(Pair(into, schema_of(into), shadow, schema_of(shadow))))
                was, now = (stack.enter_context(closing(Pages(path))) for path in (shadow, into))
                changed_ranges(pair, was, now, frozenset({number + 1}))
        except (Unclear, sqlite3.DatabaseError):
            unclear += 1
    assert unclear > 10
