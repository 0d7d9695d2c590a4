"""`python -m backup schedule` as a process: when it runs, what it does without a target, and how it ends."""

from __future__ import annotations

import itertools
import json
import re
import shutil
import signal
import subprocess
import time
from datetime import datetime, timedelta
from pathlib import Path

from commanding import backup, health, log, scheduled, status
from fix_source import Source
from restoring import fill, poll
from test_target_errors import ANOTHER_CA
from wire import wire

from backup import scheduler as scheduling
from backup.scheduler import Scheduler


def last_run(source: Source) -> int:
    """0 until the target knows the source."""
    if source.target.query("SELECT to_regclass('sidemirror.sources')::text") == [(None,)]:
        return 0
    found = source.target.query("SELECT last_run FROM sidemirror.sources WHERE name = %s", source.name)
    return found[0][0] if found else 0


def times(source: Source, line: str) -> list[datetime]:
    """When the lines that have this in them were logged."""
    found = re.findall(rf"^(\S+)Z \S+ +.*{re.escape(line)}", log(source), re.M)
    return [datetime.fromisoformat(at) for at in found]


def test_it_runs_at_start_and_then_every_backup_every(source: Source) -> None:
    fill(source)
    with scheduled(source, BACKUP_EVERY="2s") as process:
        poll("the run at start", lambda: last_run(source) == 1)
        source.write("DELETE FROM t WHERE id = 1")
        poll("the next run", lambda: last_run(source) == 2)
        poll("two more", lambda: len(times(source, "Last Sync: ")) >= 4)
        assert process.poll() is None
        found = status(source)
        assert (found["safe"], found["outcome"]["run"]) == (True, 2)
        assert datetime.fromisoformat(found["outcome"]["next_at"]) > datetime.fromisoformat(
            found["outcome"]["tried_at"]
        )
        poll("it is well", lambda: health(source)[0] == 0)
        assert re.fullmatch("equal to the target [0-9]+ s ago\n", health(source)[1])
    pauses = [b - a for a, b in itertools.pairwise(times(source, "Last Sync: "))]
    assert max(pauses) < timedelta(seconds=6)
    kinds = source.target.query(
        "SELECT run, kind FROM sidemirror.runs JOIN sidemirror.sources AS s ON s.id = source_id WHERE name = %s ORDER BY 1",
        source.name,
    )
    assert kinds == [(1, "run"), (2, "full")]


def test_a_target_that_is_down_at_start_and_later_is_tried_with_growing_pauses_until_it_is_back(source: Source) -> None:
    fill(source)
    with wire(source) as cable:
        cable.cut()
        with scheduled(source, **cable.environ) as process:
            poll("the second failure", lambda: len(times(source, "The next try is in ")) >= 2)
            found = status(source, **cable.environ)
            assert (found["safe"], found["code"]) == (False, 1)
            [trouble] = found["outcome"]["troubles"]
            first_failure = times(source, "The next try is in 5 s")[0]
            since = datetime.fromisoformat(trouble["since"]).replace(tzinfo=None)
            assert abs(since - first_failure) < timedelta(seconds=2), "since the first failure, not the last"
            assert re.findall(r"The next try is in (\d+) s", log(source))[:2] == ["5", "10"]
            cable.mend()
            poll("it catches up by itself", lambda: last_run(source) == 1)
            poll("it says so", lambda: status(source, **cable.environ)["safe"])
            assert process.poll() is None
    assert "Traceback" not in log(source)


def test_pauses_double_up_to_ten_minutes_and_begin_anew_after_a_good_run(source: Source) -> None:
    fill(source)
    good = source.environ
    source.environ = good | {"SUPABASE_DB_PORT": "9"}
    schedule = Scheduler(lambda: source.settings)
    pauses = []
    for _ in range(9):
        schedule.job("full")
        pauses.append(schedule.agenda.planned("retry of a full")[0].next_run - datetime.now())
    for found, pause in zip(pauses, [5, 10, 20, 40, 80, 160, 320, 600, 600], strict=True):
        assert pause - 1 < found.total_seconds() < pause * 1.1
    source.environ = good
    schedule.settings = source.settings
    schedule.job("full")
    assert [job.tags for job in schedule.agenda.planned()] == [{"full"}], "what had failed is not tried again"
    assert schedule.pause == scheduling.FIRST_PAUSE


def test_a_connection_that_breaks_between_runs_is_made_again(source: Source) -> None:
    fill(source)
    with wire(source) as cable, scheduled(source, BACKUP_EVERY="1s", **cable.environ):
        poll("the run at start", lambda: last_run(source) == 1)
        cable.cut()
        poll("it is told", lambda: times(source, "The next try is in 5 s"))
        source.write("DELETE FROM k")
        cable.mend()
        poll("it catches up", lambda: last_run(source) == 2)


def test_a_wrong_password_is_tried_once_and_a_corrected_one_at_once(source: Source, tmp_path: Path) -> None:
    fill(source)
    right = Path(source.environ["SUPABASE_DB_PASSWORD_FILE"])
    secret = tmp_path / "password"
    secret.write_text("wrong-" + "x" * 20)
    with wire(source) as cable:
        environ = cable.environ | {"SUPABASE_DB_PASSWORD_FILE": str(secret), "BACKUP_EVERY": "1s"}
        with scheduled(source, **environ) as process:
            poll("it gives up", lambda: times(source, "No more tries until the settings are others"))
            for _ in range(3):
                found = status(source, **environ)
            assert found["sentence"].startswith("NOT SAFE: nothing was mirrored yet; nothing is tried any more")
            assert "is wrong" in found["outcome"]["troubles"][0]["what"]
            assert found["outcome"]["next_at"] is None
            poll("it is not well", lambda: health(source) == (1, "not equal to the target yet\n"))
            written = (source.state / "status.json").stat().st_mtime
            poll("it had time for three more", lambda: time.time() - written > 3)
            assert (cable.connections, process.poll()) == (1, None), (
                "one login, and neither schedule nor status makes another"
            )
            shutil.copyfile(right, secret)
            poll("it goes on with the corrected one", lambda: last_run(source) == 1)
            poll("status knows", lambda: status(source, **environ)["safe"])
    assert "wrong-" not in log(source)


def test_another_ca_is_refused_and_tried_again_slowly(source: Source, tmp_path: Path) -> None:
    fill(source)
    certificate = tmp_path / "other.crt"
    certificate.write_text(ANOTHER_CA)
    with scheduled(source, SUPABASE_DB_SSLROOTCERT=str(certificate)) as process:
        poll("it is told", lambda: times(source, "is not signed by the CA in"))
        poll("it goes on", lambda: times(source, "The next try is in 5 s"))
        assert process.poll() is None
    assert last_run(source) == 0


def test_sigterm_lets_the_run_finish_and_ends_with_0(source: Source) -> None:
    fill(source)
    with wire(source) as cable, scheduled(source, **cable.environ) as process:
        poll("the run at start", lambda: last_run(source) == 1)
    source.write("UPDATE t SET a = 'changed'")
    with wire(source) as cable:
        cable.hold()
        with scheduled(source, **cable.environ) as process:
            poll("a run has begun", lambda: cable.connections)
            process.send_signal(signal.SIGTERM)
            cable.go_on()
            assert process.wait(20) == 0
    assert last_run(source) == 2
    assert "Sidemirror stops" in log(source)
    assert not source.run("full").committed


def test_sigterm_while_it_waits_ends_it_at_once(source: Source) -> None:
    fill(source)
    for number in (signal.SIGTERM, signal.SIGINT):
        with scheduled(source) as process:
            poll("it waits", lambda: times(source, "Last Sync: "))
            process.send_signal(number)
            assert process.wait(5) == 0
        (source.state / "supabase_backup.log").unlink()


def test_killed_in_mid_run_the_next_start_goes_on(source: Source) -> None:
    fill(source)
    source.point()
    for number in range(3):
        source.write(
            f"UPDATE t SET a = 'change {number}' WHERE id % 2 = {number % 2}; DELETE FROM k WHERE y = {number}"
        )
        with wire(source) as cable:
            cable.hold()
            with scheduled(source, **cable.environ) as process:
                poll("a run has begun", lambda: cable.connections)
                process.kill()
    with scheduled(source):
        poll("it goes on", lambda: last_run(source) == 2)
        poll("it is through", lambda: times(source, "Last Sync: "))
    assert not source.point("full").committed
    source.verify()


def test_an_unexpected_exception_is_told_and_does_not_end_it(source: Source) -> None:
    fill(source)
    broken = source.state / "shadow"
    broken.write_text("a file where a folder should be")
    with scheduled(source, BACKUP_EVERY="2s") as process:
        poll("it is told", lambda: times(source, "An error that should not happen; please report it"))
        poll("another try", lambda: len(times(source, "The next try is in ")) >= 2)
        assert process.poll() is None
        assert status(source)["safe"] is False
        broken.unlink()
        poll("it goes on", lambda: last_run(source) == 1)
        poll("it is safe", lambda: status(source)["safe"])


def test_a_run_by_hand_in_progress_does_not_end_the_schedule(source: Source) -> None:
    fill(source)
    with wire(source) as cable, scheduled(source, BACKUP_EVERY="1s") as process:
        poll("the run at start", lambda: last_run(source) == 1)
        cable.hold()
        by_hand = subprocess.Popen(
            source.command("once"), env=source.process_environ | cable.environ, stdout=subprocess.DEVNULL
        )
        poll("they meet", lambda: times(source, "A run is in progress already"))
        cable.go_on()
        assert by_hand.wait(20) == 0
        source.write("DELETE FROM k")
        poll("the schedule goes on", lambda: last_run(source) == 2)
        runs = len(times(source, "Last Sync: "))
        poll("and on", lambda: len(times(source, "Last Sync: ")) > runs + 1)
        assert process.poll() is None


def test_a_clock_that_is_set_back_or_forward_by_a_day_stops_nothing(source: Source, tmp_path: Path) -> None:
    fill(source)
    clock = tmp_path / "clock"
    clock.write_text("+0")
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    another_time = {
        "LD_PRELOAD": str(library),
        "FAKETIME_TIMESTAMP_FILE": str(clock),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "NO_FAKE_STAT": "1",
        # The day before, the certificate was not valid yet.
        "SUPABASE_DB_SSLMODE": "require",
        "SUPABASE_DB_SSLROOTCERT": None,
    }
    with scheduled(source, BACKUP_EVERY="2s", DRILL_EVERY="off", **another_time) as process:
        poll("the run at start", lambda: last_run(source) == 1)
        for step, told in (("-1d", "The clock was set back by 86"), ("+1d", "The clock was set forward by 172")):
            clock.write_text(step)
            poll("it is told", lambda told=told: times(source, told))  # type: ignore[misc]
            runs = len(times(source, "Last Sync: "))
            poll("runs go on", lambda runs=runs: len(times(source, "Last Sync: ")) >= runs + 3)  # type: ignore[misc]
            found = status(source, **another_time)
            assert (found["safe"], found["seconds_since_equal"] < 30) == (True, True), found["sentence"]
            assert datetime.fromisoformat(found["outcome"]["next_at"]) > datetime.fromisoformat(
                found["outcome"]["tried_at"]
            )
            assert process.poll() is None


def test_after_a_refusal_the_next_try_comes_sooner_than_backup_every(source: Source) -> None:
    fill(source)
    kept = (source.sqlite / "bot.db").read_bytes()
    (source.sqlite / "bot.db").write_bytes(kept[:1000])
    with scheduled(source, BACKUP_EVERY="6h", BACKUP_ON_CHANGE="off"):
        poll("it is refused", lambda: times(source, "The next try is in 5 s"))
        (source.sqlite / "bot.db").write_bytes(kept)
        poll("it is tried again", lambda: last_run(source) == 1)
        poll("and safe", lambda: status(source)["safe"])


def test_a_sidecar_that_is_started_often_has_its_full_runs_all_the_same(source: Source) -> None:
    fill(source)
    assert backup(source, "once", "--full").returncode == 0
    long_ago = (datetime.now().astimezone() - timedelta(hours=7)).isoformat()
    known = json.loads((source.state / "status.json").read_text())
    (source.state / "status.json").write_text(json.dumps(known | {"full_at": long_ago}))
    with scheduled(source, BACKUP_EVERY="6h"):
        poll("a full run at start", lambda: status(source)["outcome"]["full_at"] > long_ago)
