"""What a run receives: egress is metered, so a state that is known is verified by one number, however many tables."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

import pytest
from fix_source import Source
from fix_writer import until
from wire import Wire, wire

from backup.compare import compare
from backup.config import BackupSettings
from backup.run import Report, run
from backup.script import Script
from backup.session import Session
from mirror import settings
from mirror.catalog import read_state
from mirror.errors import TargetUnreachable
from mirror.target import connected

TABLES = 40
MOST_BYTES = 300


@dataclass
class Sidecar:
    """A session as the scheduler has one, over a wire that counts."""

    source: Source
    wire: Wire
    session: Session

    def run(self, kind: str = "change") -> tuple[Report, int]:
        """The report, and what was received for it."""
        before = self.wire.received
        report = self.try_run(kind)
        assert report.refusals == ()
        return report, self.wire.received - before

    def try_run(self, kind: str = "change") -> Report:
        config = settings.load(BackupSettings, self.source.environ | self.wire.environ)
        return run(config, kind, session=self.session)

    def knows_what_there_is(self) -> bool:
        """Nothing that the session believes of the target is another than the target says."""
        with connected(self.source.settings) as connection:
            there = read_state(connection, self.source.name)
        here = self.session.state
        return (
            here is not None and there is not None and replace(here, target_bytes=0) == replace(there, target_bytes=0)
        )


@pytest.fixture
def sidecar(source: Source) -> Iterator[Sidecar]:
    """Two databases, forty tables in all, and a document, mirrored."""
    for number in range(TABLES):
        source.write(
            f"CREATE TABLE t{number} (id INTEGER PRIMARY KEY, a TEXT, b INTEGER, c REAL);"
            f"INSERT INTO t{number} (a) VALUES ('one'), ('two'), ('three')",
            f"bot{number % 2}.db",
        )
    (source.json / "data.json").write_text("{}")
    with wire(source) as counted, closing(Session()) as session:
        made = Sidecar(source, counted, session)
        made.run("full")
        session.upkeep.wait()
        made.run()
        yield made


def test_a_run_that_finds_nothing_new_receives_a_number(sidecar: Sidecar) -> None:
    report, received = sidecar.run()
    assert not report.committed
    assert 0 < received <= MOST_BYTES


def test_after_a_change_the_state_is_known_without_asking(sidecar: Sidecar) -> None:
    sidecar.source.write(
        "UPDATE t0 SET a = 'changed'; DELETE FROM t2 WHERE id = 1; INSERT INTO t4 (a) VALUES (x'00')", "bot0.db"
    )
    (sidecar.source.json / "data.json").write_text('{"changed": true}')
    assert sidecar.run()[0].committed
    assert sidecar.knows_what_there_is()
    for number in range(3):
        # What a run sends is quoted as a whole: nothing that a bot writes ends the quotation.
        text = f"UPDATE t1 SET b = {number}, a = '$sm0$; $outer_sm0$ $sm1$; END; $$ '' % {number}' || char(92)"
        sidecar.source.write(text, "bot1.db")
        report, received = sidecar.run()
        assert report.committed
        assert sidecar.knows_what_there_is()
        assert received <= MOST_BYTES
    assert sidecar.run()[1] <= MOST_BYTES
    sidecar.source.point("full")
    sidecar.source.verify()


def test_what_the_target_numbers_is_asked_for_once(sidecar: Sidecar) -> None:
    for script in ("CREATE TABLE new (a); INSERT INTO new VALUES (1)", "ALTER TABLE t1 ADD COLUMN d", "DROP TABLE new"):
        sidecar.source.write(script, "bot1.db")
        assert sidecar.run()[0].committed
        assert not sidecar.run()[0].committed
        assert sidecar.knows_what_there_is()
        assert sidecar.run()[1] <= MOST_BYTES


def test_what_somebody_else_wrote_is_noticed(sidecar: Sidecar) -> None:
    """Another process of this installation: a run by hand."""
    sidecar.source.write("UPDATE t0 SET a = 'by hand'", "bot0.db")
    assert sidecar.source.run().committed
    report, received = sidecar.run()
    assert (report.committed, received > MOST_BYTES) == (False, True)
    assert sidecar.knows_what_there_is()
    sidecar.source.write("UPDATE t0 SET a = 'again'", "bot0.db")
    sidecar.run()
    sidecar.source.point()
    sidecar.source.verify()


@pytest.fixture
def large(source: Source) -> Iterator[Sidecar]:
    """A database of a megabyte, mirrored."""
    source.write(
        "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT);"
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)"
        "INSERT INTO t SELECT i, hex(randomblob(250)) FROM n"
    )
    with wire(source) as counted, closing(Session()) as session:
        made = Sidecar(source, counted, session)
        made.run("full")
        session.upkeep.wait()
        yield made


def test_a_lost_answer_to_the_commit_costs_no_download(
    large: Sidecar, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    source, counted = large.source, large.wire
    commit = Script.commit

    def unanswered(script: Script) -> None:
        """The target commits, and the connection breaks before anybody hears of it."""
        counted.hold()
        thread = threading.Thread(target=cut_when_committed)
        thread.start()
        try:
            commit(script)
        finally:
            thread.join()

    def cut_when_committed() -> None:
        until(lambda: source.read_state().last_run == 2, 120)
        counted.cut()
        counted.go_on()

    source.write("UPDATE t SET a = 'changed' WHERE id % 100 = 0")
    with monkeypatch.context() as patched:
        patched.setattr("backup.script.Script.commit", unanswered)
        with pytest.raises(TargetUnreachable):
            large.run()
    counted.mend()
    report, received = large.run()
    assert not report.committed
    assert "the answer was lost" in caplog.text
    assert received < 100_000, "the mirror was downloaded"
    assert len({path.name.split(".")[0] for path in (source.state / "shadow").glob("*/*")}) == 1
    source.write("UPDATE t SET a = 'again' WHERE id = 7")
    assert large.run()[0].counts.upserted == 1
    source.point("full")
    source.verify()


def test_what_was_sent_and_not_committed_does_not_stay(large: Sidecar, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = Script.commit

    def cut_off(script: Script) -> None:
        large.wire.cut()
        commit(script)

    for number in range(3):
        large.source.write(f"UPDATE t SET a = 'changed {number}' WHERE id = 7")
        with monkeypatch.context() as patched:
            patched.setattr("backup.script.Script.commit", cut_off)
            with pytest.raises(TargetUnreachable):
                large.run()
        large.wire.mend()
        assert len(list((large.source.state / "shadow").glob("*/*.sqlite"))) <= 2
    assert large.run()[0].counts.upserted == 1
    large.source.point("full")
    large.source.verify()


@pytest.mark.parametrize("times", [1, 2])
def test_a_shadow_is_not_thrown_away_for_what_passes_by_itself(
    times: int, large: Sidecar, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = [times]

    def short_of_memory(*arguments: Any) -> Any:
        if left[0]:
            left[0] -= 1
            error = sqlite3.OperationalError("out of memory")
            error.sqlite_errorcode = sqlite3.SQLITE_NOMEM
            raise error
        return compare(*arguments)

    monkeypatch.setattr("backup.beside.compare", short_of_memory)
    large.source.write("UPDATE t SET a = 'changed' WHERE id = 7")
    before = large.wire.received
    if times > 1:
        [refusal] = large.try_run().refusals
        assert "out of memory" in refusal.error.what
    assert large.run()[0].counts.upserted == 1
    assert large.wire.received - before < 100_000
