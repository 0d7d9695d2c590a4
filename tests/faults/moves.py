"""What people do to whole machines, in one stroke each: a restore over the bot's files, a clone of the machine that starts,
and the target's folder put back as it was."""

from __future__ import annotations

from ground import Ground
from stack import poll

# The sidecar's folders as another machine would have them, and the target's as it was.
CLONE, KEPT = "/volumes/clone-state", "/volumes/postgres-kept"


def _last_run(ground: Ground) -> int:
    return int(ground.stack.sql("SELECT max(run) FROM sidemirror.runs")[0][0])


def _another_run(ground: Ground) -> int:
    before = _last_run(ground)
    return int(poll("another run", lambda: (now := _last_run(ground)) > before and now))


def restored_in_place(ground: Ground) -> None:
    """A person brings the last restore point back."""
    ground.well()
    ground.stack.script("stop", "bot")
    try:
        ground.stack.script("restore", "--yes")
    finally:
        ground.stack.script("start", "bot")


def cloned(ground: Ground) -> None:
    """A copy of the machine starts after the rightful one has gone on: it is refused, and nothing is deleted."""
    stack = ground.stack
    ground.well()
    stack.compose("pause", "backup")  # a copy of one instant
    try:
        stack.as_root("sh", "-c", f"rm -rf {CLONE} && cp -a /volumes/state {CLONE}")
    finally:
        stack.compose("unpause", "backup")
    run = _another_run(ground)
    elsewhere = (f"--volume={stack.volumes / 'clone-state'}:/elsewhere", "--env=STATE_DIR=/elsewhere")
    options = ("--rm", "-T", "--no-deps", *elsewhere)
    refused = stack.compose("run", *options, "backup", "python", "-m", "backup", "once", "--full", check=False)
    assert refused.returncode == 14, refused.stdout + refused.stderr
    assert _last_run(ground) >= run


def target_put_back(ground: Ground) -> None:
    """The target's folder is copied at rest, some runs are made, and the copy is put back: those runs are gone from it."""
    stack = ground.stack
    ground.well()
    stack.compose("stop", "--timeout", "10", "postgres")
    stack.as_root("sh", "-c", f"rm -rf {KEPT} && cp -a /volumes/postgres {KEPT}")
    stack.script("start", "postgres")
    _another_run(ground)
    told = _told(ground)
    stack.compose("stop", "--timeout", "10", "postgres")
    stack.as_root("sh", "-c", f"rm -rf /volumes/postgres && mv {KEPT} /volumes/postgres")
    stack.script("start", "postgres")
    poll("what is gone is told", lambda: _told(ground) > told)


def _told(ground: Ground) -> int:
    """How often it was told that points are gone."""
    look = "cat /state/events.1.jsonl /state/events.jsonl 2>/dev/null | grep -c TargetWentBack || true"
    return int(ground.stack.compose("exec", "-T", "backup", "sh", "-c", look).stdout)
