"""The mirror itself: somebody edits it, retention passes over all of it, a second sidecar wants it."""

from __future__ import annotations

import json

from ground import Ground
from stack import poll
from test_target_faults import last_run

MAKE = """
import sqlite3
connection = sqlite3.connect("/volumes/sqlite/edited.db")
connection.execute("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY, a TEXT)")
connection.execute("DELETE FROM t")
connection.executemany("INSERT INTO t (id, a) VALUES (?, ?)", [(id, f"as mirrored {id}") for id in range(1, 101)])
connection.commit()
"""

CHANGE = """
import sqlite3
connection = sqlite3.connect("/volumes/sqlite/edited.db")
connection.execute("DELETE FROM t WHERE id = 9")
connection.commit()
"""

EDITS = """
BEGIN;
UPDATE bot_edited.t SET a = 'by hand' WHERE id = 7;
DELETE FROM bot_edited.t WHERE id = 8;
INSERT INTO bot_edited.t (id, a) VALUES (-1, 'by hand');
COMMIT
"""


def test_a_person_who_edits_the_mirror_is_found_told_and_put_right_and_nothing_is_lost(ground: Ground) -> None:
    ground.python(MAKE)
    poll("it is mirrored", lambda: ground.stack.try_sql("SELECT count(*) FROM bot_edited.t").stdout.strip() == "100")
    point = last_run(ground)

    ground.stack.sql(EDITS)
    trouble = ground.trouble("TargetEdited", "edited.db")
    assert "the mirror of edited.db was changed by somebody else: table t: " in trouble["what"]
    assert "./sidemirror repair" in trouble["hint"]
    ground.alerted(trouble["what"])
    assert ground.backup().returncode == 16
    ground.python(CHANGE)
    reached = last_run(ground)
    poll("the bot's files go on", lambda: last_run(ground) > reached + 1)
    assert ground.stack.sql("SELECT a FROM bot_edited.t WHERE id IN (-1, 7, 8, 9) ORDER BY id") == [
        ["by hand"], ["by hand"], ["as mirrored 9"]
    ], "nothing is mirrored over it"  # fmt: skip

    repaired = ground.stack.script("repair")
    assert "Put right: edited.db: table t: " in repaired.stdout
    ground.well()
    ground.alerted("all is well again")
    poll("what the bot did since", lambda: ground.stack.sql("SELECT count(*) FROM bot_edited.t") == [["99"]])
    kept = ground.stack.sql("SELECT key->>0, found->>'a', mirrored->>'a' FROM sidemirror.foreign_edits ORDER BY 1")
    assert kept[-3:] == [["-1", "by hand", ""], ["7", "by hand", "as mirrored 7"], ["8", "", "as mirrored 8"]]
    ground.equal()
    # What was mirrored before somebody came comes back as it was.
    told = ground.stack.script("restore", "--dry-run", "--run", str(point), "--only", "edited.db", check=False)
    assert told.returncode == 0, told.stdout + told.stderr


def test_retention_that_passes_over_everything_leaves_what_is_there_now(ground: Ground) -> None:
    first = last_run(ground)
    poll("there is something to thin out", lambda: last_run(ground) > first + 2)
    settings = ("-e", "RETENTION=all:1s")
    done = ground.stack.compose("exec", "-T", *settings, "backup", "python", "-m", "backup", "once", "--full")
    assert "Last Sync: " in done.stdout
    gone = ground.stack.script("restore", "--dry-run", "--run", str(first), check=False)
    assert gone.returncode == 11, gone.stdout + gone.stderr
    left = ground.stack.sql("SELECT run, proved_at IS NOT NULL FROM sidemirror.runs ORDER BY run")
    assert [run for run, proved in left if int(run) <= first and proved == "f"] == []
    ground.well()
    ground.equal()


def test_a_second_sidecar_on_the_same_target_is_refused_and_the_first_goes_on(ground: Ground) -> None:
    arguments = ("run", "--rm", "-T", "--no-deps", "--env", "STATE_DIR=/tmp", "backup")
    second = ground.stack.compose(*arguments, "python", "-m", "backup", "once", check=False)
    assert second.returncode == 14, second.stdout + second.stderr
    assert "is written by another installation" in second.stderr
    assert "take-over" in second.stderr
    told = ground.stack.compose(
        *arguments, "sh", "-c", "python -m backup once; python -m backup status --json", check=False
    )
    found = json.loads(told.stdout[told.stdout.index("{") :])
    assert (found["safe"], found["outcome"]["troubles"][0]["kind"]) == (False, "TargetTaken")
    before = last_run(ground)
    poll("the first goes on", lambda: last_run(ground) > before)
    ground.well()
    ground.equal()
