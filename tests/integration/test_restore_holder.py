"""A restore takes the holder before it reads: nothing is mirrored behind it, and one that fails leaves all as it was."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing

import pytest
from fix_source import Source
from fix_writer import until
from restoring import fill, restore
from test_restore_points import backup, second_installation

from mirror import settings
from mirror.errors import SidemirrorError
from restore.config import RestoreSettings
from restore.plan import Plan
from restore.progress import Watch
from restore.request import Request
from restore.run import restore as restore_here

PAYMENT = "INSERT INTO t VALUES (1000, 'a payment', -1)"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


def paid(source: Source) -> list[tuple[int]]:
    with closing(sqlite3.connect(source.sqlite / "bot.db")) as connection:
        return connection.execute("SELECT count(*) FROM t WHERE id = 1000").fetchall()


def holder(source: Source) -> list[tuple[object, ...]]:
    return source.target.query(
        "SELECT holder, holder_host, held_since FROM sidemirror.sources WHERE name = %s", source.name
    )


def config(source: Source) -> RestoreSettings:
    return settings.load(RestoreSettings, source.environ)


class Staging(Watch):
    """Calls once, as soon as the first rows are there."""

    def __init__(self, old: Source) -> None:
        super().__init__()
        self.old = old
        self.sidecar: subprocess.Popen[str] | None = None

    def show(self, _what: str) -> None:
        if self.sidecar is not None:
            return
        self.old.write(PAYMENT)
        self.sidecar = subprocess.Popen(
            self.old.command("once"), env=self.old.process_environ, stderr=subprocess.PIPE, text=True
        )
        sidecar = self.sidecar
        until(lambda: sidecar.poll() is not None or self.old.target.query(WAITING) != [(0,)], 120)


def test_what_the_old_server_mirrors_while_the_new_one_restores_is_refused_there_and_not_lost_in_silence(
    source: Source,
) -> None:
    fill(source)
    source.run()
    new = second_installation(source)
    assert backup(new, "check").returncode != 0  # makes its id
    staging = Staging(source)
    restore_here(config(new), Request(), lambda _plan: None, staging)
    assert staging.sidecar is not None
    said = staging.sidecar.communicate(timeout=120)[1]
    assert (staging.sidecar.returncode, "written by another installation" in said) == (14, True), said
    assert source.read_state().last_run == 1
    assert paid(new) == [(0,)], "the payment is on the old server alone, which was told"
    assert not new.run().committed, "the restored file is what the target holds"


def test_what_is_mirrored_until_the_person_says_yes_is_restored(source: Source) -> None:
    fill(source)
    source.run()
    new = second_installation(source)
    assert backup(new, "check").returncode != 0

    def yes(plan: Plan) -> None:
        assert plan.run == 1
        source.write(PAYMENT)
        assert source.run().run == 2

    assert restore_here(config(new), Request(), yes).plan.run == 2
    assert paid(new) == [(1,)]


def test_a_restore_that_does_not_come_about_gives_the_holder_back(source: Source) -> None:
    fill(source)
    source.run()
    before = holder(source)
    new = second_installation(source)
    assert backup(new, "check").returncode != 0

    class Failing(Watch):
        def checking(self, _file: str) -> None:
            assert source.read_state().last_run == 1
            raise SidemirrorError("it fails here")

    with pytest.raises(SidemirrorError, match="it fails here"):
        restore_here(config(new), Request(), lambda _plan: None, Failing())
    assert holder(source) == before

    killed = (
        "import os, runpy, signal, sys; import restore.stage as stage;"
        "stage.verify = lambda *_: os.kill(os.getpid(), signal.SIGKILL);"
        "sys.argv[:] = ['restore', '--yes']; runpy.run_module('restore', run_name='__main__')"
    )
    assert subprocess.run([sys.executable, "-c", killed], env=new.process_environ, check=False).returncode == -9
    until(lambda: source.target.query(WAITING) == [(0,)], 120)
    assert holder(source) == before
    source.write(PAYMENT)
    assert source.run().run == 2
    assert restore(new, "--yes", "--dry-run").returncode in (0, 2)
    assert holder(source) == before
