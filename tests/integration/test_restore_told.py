"""A restore is told: how far it is, what it did, and by the sidecar to people who were not there."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from contextlib import suppress

from commanding import log
from fix_source import Source
from restoring import fill_all, poll, restore, restored
from test_alerts import Receiver, receiver, said, watching

from backup import events
from mirror.restores import MOST, Done, read, record

__all__ = ["receiver"]


def with_a_large_table(source: Source) -> None:
    fill_all(source)
    source.write(
        "CREATE TABLE large (id INTEGER PRIMARY KEY, a TEXT);"
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60000)"
        "INSERT INTO large SELECT i, hex(zeroblob(40)) FROM n;"
    )


def at_a_terminal(source: Source, answer: str, *arguments: str) -> tuple[int, str]:
    """The restore as a person at a terminal runs it: exit code, and all that the screen got."""
    inner, outer = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "restore", *arguments],
        env=source.process_environ | {"TERM": "xterm", "COLUMNS": "120"},
        stdin=outer,
        stdout=outer,
        stderr=outer,
    )
    os.close(outer)
    os.write(inner, f"{answer}\n".encode())
    screen = b""
    with suppress(OSError):  # how Linux tells the end of a pseudo-terminal
        while data := os.read(inner, 65536):
            screen += data
    os.close(inner)
    return process.wait(timeout=60), screen.decode(errors="replace")


def test_on_a_terminal_a_person_is_asked_and_sees_a_bar_with_rows_bytes_and_time(source: Source) -> None:
    with_a_large_table(source)
    source.run()
    code, screen = at_a_terminal(source, "y")
    assert code == 0, screen
    assert "Restore this? [y/N]" in screen
    assert "60,606 of 60,606 rows" in screen
    assert re.search(r"rows, [0-9.]+ MB", screen)
    assert "100%" in screen
    assert "\x1b[" in screen, "drawn in place"
    assert "content equal to the target" in screen


def test_a_person_who_says_no_ends_it_with_13(source: Source) -> None:
    fill_all(source)
    source.run()
    code, screen = at_a_terminal(source, "n")
    assert (code, "nothing was changed" in screen) == (13, True)


def test_without_a_terminal_there_are_plain_lines(source: Source) -> None:
    with_a_large_table(source)
    source.run()
    plain = subprocess.run(
        [
            sys.executable,
            "-c",
            "import restore.progress, runpy, sys; restore.progress.SECONDS_BETWEEN_LINES = 0.0;"
            "sys.argv = ['restore', '--yes']; runpy.run_module('restore', run_name='__main__')",
        ],
        env=source.process_environ,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )
    assert plain.returncode == 0, plain.stderr
    assert "\x1b" not in plain.stdout
    lines = re.findall(r"large: ([0-9]+) of 60606 rows \(([0-9]+) %\), ([0-9.]+) MB, about [0-9]+ s left", plain.stdout)
    assert len(lines) > 5
    assert [int(rows) for rows, _, _ in lines] == sorted(int(rows) for rows, _, _ in lines)
    assert float(lines[-1][2]) > 4
    assert "checking bot.db: 60303 of 60606 rows" in plain.stdout


def test_the_end_says_what_from_when_verified_how_and_how_to_undo(source: Source) -> None:
    fill_all(source)
    run = source.run().run
    told = restored(source, "--yes").stdout
    assert re.search(
        rf"Restored run {run} of 20[0-9-]+ [0-9:]+ UTC: 2 databases with 606 rows, 2 documents; integrity checked, content "
        r"equal to the target; [0-9.]+ s\n",
        told,
    )
    hint = re.search(r"to go back: \./sidemirror restore (--undo [0-9TZ]+)\n", told)
    assert hint, told
    restored(source, "--yes", *hint[1].split())


def test_the_sidecar_tells_a_restore_and_its_undoing_once_in_log_events_and_alerts(
    source: Source, receiver: Receiver
) -> None:
    fill_all(source)
    source.run()
    with watching(source, ALERT_URLS=receiver.url):
        poll("it watches", lambda: "Alerts go to" in said(source))
        restored(source, "--yes")
        poll("the restore is told", lambda: len(receiver.messages) == 1)
        poll("it is in the log file", lambda: "Restored run 1 of" in log(source))
        [done] = read(source.notes)
        assert done.replaced
        [message] = receiver.messages
        assert (message["title"], message["type"]) == (f"Sidemirror, {source.name}: restored", "info")
        for expected in (done.what, "content equal to the target", f"restore --undo {done.replaced.split('/')[1]}"):
            assert expected in message["message"]
        restored(source, "--yes", "--undo")
    with watching(source, ALERT_URLS=receiver.url):
        poll("the undoing is told, once", lambda: len(receiver.messages) >= 2)
    assert "Undone: bot.db" in receiver.messages[1]["message"]
    found = [(event.kind, event.subject, event.what[:8]) for event in events.read(source.state)]
    assert found == [("Restored", source.name, "Restored"), ("Restored", source.name, "Undone: ")]
    assert log(source).count("Restored run 1 of") == 1


def test_what_is_written_down_is_bounded_and_a_damaged_file_does_no_harm(source: Source) -> None:
    for number in range(MOST + 5):
        record(source.notes, Done(f"2026-01-01T00:00:{number:02d}+00:00", f"number {number}"))
    assert [done.what for done in read(source.notes)] == [f"number {number}" for number in range(5, MOST + 5)]
    (source.notes / "restores.json").write_text('[{"at": 3}')
    assert read(source.notes) == ()
    fill_all(source)
    source.run()
    assert restore(source, "--yes").returncode == 0
    assert len(read(source.notes)) == 1
