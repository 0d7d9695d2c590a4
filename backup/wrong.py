"""What is wrong now, from what the sidecar knows of itself: the run's troubles, and what only time or space tells."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from backup import turns
from backup.answer import GRACE_SECONDS, LOST_HINT, ago
from backup.health import LOST_SECONDS
from backup.outcome import DRILL, SIZE_WARNING_SHARE, Outcome
from backup.state import Moment
from backup.turns import Turn
from mirror.errors import SidemirrorError

STATE_BYTES = 50_000_000


@dataclass(frozen=True)
class Kind:
    """What a kind of trouble means for the data. `passing`: people are told only when it lasts."""

    meaning: str
    passing: bool


@dataclass(frozen=True)
class Wrong:
    """One thing that is wrong, since when (ISO 8601, UTC), and what to do."""

    kind: str
    subject: str
    what: str
    hint: str
    since: Moment

    @property
    def key(self) -> tuple[str, str]:
        return self.kind, self.subject


@dataclass(frozen=True)
class Known:
    """What there is to judge by. `watching_since` is when this installation's watch first looked."""

    outcome: Outcome
    watching_since: datetime
    limit_seconds: float  # how old the last equality may be
    target_size_limit: int
    state_free_bytes: int | None
    heard: float | None = None  # seconds since the sidecar's last sign of life; None: there never was one
    turn: Turn | None = None  # in which a run hangs; None: none does


# The kinds that are no error of a run.
OWN_KINDS = {
    "Late": Kind(
        "What the bot wrote since then is on this machine alone. Nobody knows why yet: the sidecar itself reports no error.",
        False,
    ),
    "TargetNearlyFull": Kind(
        "At the limit Supabase turns the database read-only, and then nothing more is mirrored.", False
    ),
    "StateNearlyFull": Kind("Without room for its copies the sidecar cannot compare, and runs fail.", False),
}
# Of these, where they are of all runs, nothing but the date and what was written down earlier tells.
BY_DATE_ALONE = frozenset({"Late", "Stuck"})


def wrong_now(known: Known, now: datetime) -> tuple[Wrong, ...]:
    """Everything that a person should know of; empty when all is well."""
    outcome = known.outcome
    lost = _hangs(known.turn, now) or _lost(known, now)
    troubles = tuple(Wrong(t.kind, t.subject, t.what, t.hint, t.since) for t in outcome.troubles)
    # A run that fails explains why nothing is equal; a failed drill does not.
    silent = () if any(trouble.subject != DRILL for trouble in troubles) else _silent(known, now)
    return (*lost, *troubles, *(() if lost else silent), *_space(known, now))


def kinds() -> dict[str, Kind]:
    """Every kind of trouble that there is, by name."""
    return {error.__name__: Kind(error.meaning, error.passing) for error in _classes(SidemirrorError)} | OWN_KINDS


def kind_of(name: str) -> Kind:
    """The kind; that of an unexpected error for a name that this version does not know."""
    return kinds().get(name, Kind(SidemirrorError.meaning, SidemirrorError.passing))


def _classes(root: type[SidemirrorError]) -> list[type[SidemirrorError]]:
    return [root, *(one for child in root.__subclasses__() for one in _classes(child))]


def _hangs(turn: Turn | None, now: datetime) -> tuple[Wrong, ...]:
    """A run that does not come past a file."""
    if turn is None:
        return ()
    return (Wrong("Stuck", turn.file, turn.told, turns.HINT, _iso(now - timedelta(seconds=turn.age))),)


def _lost(known: Known, now: datetime) -> tuple[Wrong, ...]:
    """The sidecar's main program does not run, or hangs."""
    if known.heard is None or known.heard <= LOST_SECONDS:
        return ()
    what = f"the sidecar has not been heard from since {_iso(now - timedelta(seconds=known.heard))}"
    return (Wrong("Stuck", "run", what, LOST_HINT, _iso(now - timedelta(seconds=known.heard))),)


def _silent(known: Known, now: datetime) -> tuple[Wrong, ...]:
    """Failures that no run reports: nothing was equal for too long, or no run happens at all."""
    outcome = known.outcome
    equal_at = datetime.fromisoformat(outcome.equal_at) if outcome.equal_at else None
    age = abs((now - (equal_at or known.watching_since)).total_seconds())
    hint = (
        "./sidemirror logs backup shows what it does; ./sidemirror doctor looks at everything; then ./sidemirror backup"
    )
    if age > known.limit_seconds:
        last = f"since {outcome.equal_at} ({ago(age)})" if equal_at else f"in {ago(age)}, and never before"
        what = f"source and target were not known to be equal {last}"
        return (Wrong("Late", "run", what, hint, _iso(now - timedelta(seconds=age - known.limit_seconds))),)
    due = datetime.fromisoformat(outcome.next_at) if outcome.next_at else now
    if (now - due).total_seconds() > GRACE_SECONDS:
        what = f"no run has ended since {outcome.tried_at}, and the next one was due at {outcome.next_at}"
        return (Wrong("Stuck", "run", what, hint, outcome.next_at or _iso(now)),)
    return ()


def _space(known: Known, now: datetime) -> tuple[Wrong, ...]:
    found = []
    size, limit, free = known.outcome.target_bytes, known.target_size_limit, known.state_free_bytes
    if size is not None and size > SIZE_WARNING_SHARE * limit:
        what = f"the target holds {size // 1_000_000} MB, {100 * size // limit} % of TARGET_SIZE_LIMIT"
        hint = "shorten RETENTION, delete what you do not need, or take a larger plan and raise TARGET_SIZE_LIMIT"
        found.append(Wrong("TargetNearlyFull", "target", what, hint, _iso(now)))
    if free is not None and free < STATE_BYTES:
        what = f"the state folder has {free / 1e6:.0f} MB left"
        found.append(Wrong("StateNearlyFull", "state folder", what, "make room on that disk", _iso(now)))
    return tuple(found)


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")
