"""Which messages people get: once when it begins, once a day while it lasts, once when it is over; never more than they
can read."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest

from backup import outbox
from backup.alert import Message, Open, decide
from backup.outbox import Pace, Waiting
from backup.outcome import Outcome, Trouble
from backup.wrong import OWN_KINDS, Known, Wrong, kinds, wrong_now

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
FIVE = timedelta(minutes=5)


def iso(at: datetime) -> str:
    return at.isoformat(timespec="seconds")


def wrong(kind: str = "GuardHeld", subject: str = "bot.db", since: datetime = NOW, what: str = "is held") -> Wrong:
    return Wrong(kind, subject, what, "./sidemirror accept", iso(since))


class Time:
    """`decide` again and again, with what it gave before."""

    def __init__(self) -> None:
        self.now = NOW
        self.opened: tuple[Open, ...] = ()

    def titles(self, *found: Wrong, later: timedelta = timedelta(seconds=1)) -> list[str]:
        return [message.title for message in self.messages(*found, later=later)]

    def messages(self, *found: Wrong, later: timedelta = timedelta(seconds=1)) -> tuple[Message, ...]:
        self.now += later
        messages, self.opened = decide(self.opened, found, "bot", iso(NOW), self.now, FIVE)
        return messages


def test_what_needs_a_person_is_told_at_once_and_once() -> None:
    time = Time()
    [message] = time.messages(wrong())
    assert message.title == "Sidemirror, bot: NOT SAFE"
    assert message.mood == "failure"
    assert message.body.splitlines() == [
        "What: bot.db: is held",
        "Since: 2026-11-22T12:00:00+00:00 (1 s)",
        "It means: Nothing is lost: the mirror of this file stays as it was until somebody decides. All other files go on.",
        "Do: ./sidemirror accept",
        "Everything up to 2026-11-22T12:00:00+00:00 is mirrored.",
    ]
    for _ in range(100):
        assert time.titles(wrong(what="is held, with other numbers")) == []


def test_what_may_pass_is_told_only_when_it_lasts() -> None:
    time = Time()
    away = wrong("TargetUnreachable", "run", what="does not answer")
    assert time.titles(away) == []
    assert time.titles(away, later=timedelta(minutes=4)) == []
    assert time.titles() == [], "nobody was told, so nobody is told that it is over"
    away = wrong("TargetUnreachable", "run", time.now, "does not answer")
    assert time.titles(away) == []
    assert time.titles(away, later=FIVE) == ["Sidemirror, bot: NOT SAFE"]
    assert time.titles() == ["Sidemirror, bot: all is well again"]
    assert time.titles() == []


def test_while_it_lasts_there_is_one_reminder_a_day() -> None:
    time = Time()
    assert time.titles(wrong()) == ["Sidemirror, bot: NOT SAFE"]
    told = [title for _ in range(24 * 12 * 3) for title in time.titles(wrong(), later=FIVE)]
    assert told == [f"Sidemirror, bot: still NOT SAFE, for {hours} h" for hours in (24, 48, 72)]


def test_a_clock_that_is_set_back_or_forward_repeats_nothing_for_ever() -> None:
    time = Time()
    time.titles(wrong())
    assert time.titles(wrong(), later=timedelta(hours=-12)) == []
    assert len(time.titles(wrong(), later=timedelta(days=-400))) == 1, "set back by a year: told anew, and then daily"
    assert time.titles(wrong()) == []
    assert len(time.titles(wrong(), later=timedelta(days=800))) == 1
    assert time.titles(wrong()) == []


def test_what_is_over_says_how_long_it_was_and_what_is_still_wrong() -> None:
    time = Time()
    time.titles(wrong(), wrong("SourceUnsupported", "b.db"), later=FIVE)
    [message] = time.messages(wrong("SourceUnsupported", "b.db"), later=timedelta(hours=3))
    assert message.title == "Sidemirror, bot: one thing is well again"
    assert "This is over: bot.db: is held" in message.body
    assert "(3 h)" in message.body
    assert "Still wrong: b.db" in message.body
    [message] = time.messages()
    assert (message.title, message.mood) == ("Sidemirror, bot: all is well again", "success")
    assert f"Everything up to {iso(NOW)} is mirrored." in message.body


def test_another_trouble_in_its_place_is_told_and_not_that_all_is_well() -> None:
    time = Time()
    time.titles(wrong("TargetLogin", "run"))
    assert time.titles(wrong("TargetTaken", "run")) == ["Sidemirror, bot: NOT SAFE"]
    assert [one.wrong.kind for one in time.opened] == ["TargetTaken"]


def test_a_very_long_error_fits_into_a_message() -> None:
    [message] = Time().messages(wrong(what="x" * 100_000))
    assert len(message.body) < 2000


def known(**changed: object) -> Known:
    given: dict[str, object] = {
        "outcome": Outcome(equal_at=iso(NOW), tried_at=iso(NOW), next_at=iso(NOW + timedelta(hours=6))),
        "watching_since": NOW,
        "limit_seconds": 3600.0,
        "target_size_limit": 500_000_000,
        "state_free_bytes": 10**10,
    }
    return Known(**{**given, **changed})  # type: ignore[arg-type]


def kinds_of(found: Known, now: datetime = NOW) -> list[str]:
    return [one.kind for one in wrong_now(found, now)]


def test_a_source_that_was_not_equal_for_longer_than_its_limit_is_wrong_though_no_run_says_so() -> None:
    assert kinds_of(known(), NOW + timedelta(minutes=59)) == []
    [late] = wrong_now(known(), NOW + timedelta(minutes=61))
    assert late.kind == "Late"
    assert "were not known to be equal since 2026-11-22T12:00:00+00:00 (61 min)" in late.what
    assert late.since == "2026-11-22T13:00:00+00:00"
    never = known(outcome=Outcome())
    assert kinds_of(never, NOW + timedelta(minutes=59)) == []
    assert kinds_of(never, NOW + timedelta(minutes=61)) == ["Late"]


def test_a_run_that_was_due_and_does_not_come_is_wrong() -> None:
    due = known(outcome=Outcome(equal_at=iso(NOW), tried_at=iso(NOW), next_at=iso(NOW + timedelta(minutes=5))))
    assert kinds_of(due, NOW + timedelta(minutes=14)) == []
    assert kinds_of(due, NOW + timedelta(minutes=16)) == ["Stuck"]


def test_troubles_of_a_run_are_told_instead_of_their_consequences() -> None:
    trouble = Trouble("run", "does not answer", "wait", iso(NOW), "TargetUnreachable")
    found = known(outcome=Outcome(equal_at=iso(NOW), troubles=(trouble,)))
    assert kinds_of(found, NOW + timedelta(days=2)) == ["TargetUnreachable"]


def test_little_room_is_told_before_it_is_none() -> None:
    full = Outcome(equal_at=iso(NOW), tried_at=iso(NOW), target_bytes=410_000_000)
    [target] = wrong_now(known(outcome=full), NOW)
    assert (target.kind, target.what) == ("TargetNearlyFull", "the target holds 410 MB, 82 % of TARGET_SIZE_LIMIT")
    [state] = wrong_now(known(state_free_bytes=1_000_000), NOW)
    assert (state.kind, state.what) == ("StateNearlyFull", "the state folder has 1 MB left")
    time = Time()
    assert time.titles(target) == ["Sidemirror, bot: a warning"]


@pytest.mark.parametrize("name", sorted(kinds()))
def test_every_kind_says_what_it_means(name: str) -> None:
    assert kinds()[name].meaning.endswith(".")
    assert len(kinds()[name].meaning) < 130
    assert set(OWN_KINDS) <= set(kinds())


def message(number: int) -> Message:
    return Message(f"title {number}", f"body {number}", "failure")


def test_messages_wait_until_every_address_has_them() -> None:
    waiting = outbox.add((), (message(1),), 2)
    assert outbox.for_address(waiting, 0) == outbox.for_address(waiting, 1) == message(1)
    waiting = outbox.delivered(waiting, 1, 2)
    assert outbox.for_address(waiting, 1) is None
    assert outbox.for_address(waiting, 0) == message(1)
    assert outbox.delivered(waiting, 0, 2) == ()


def test_what_waits_together_goes_out_as_one() -> None:
    waiting = outbox.add((), tuple(message(number) for number in range(9)), 1)
    together = outbox.for_address(waiting, 0)
    assert together is not None
    assert together.title == "title 8 (9 messages)"
    assert "(4 older messages are left out" in together.body
    assert "body 4" in together.body
    assert "body 3" not in together.body
    assert len(together.body) < 2000


def test_what_waits_is_bounded_and_the_newest_stay() -> None:
    waiting: tuple[Waiting, ...] = ()
    for number in range(1000):
        waiting = outbox.add(waiting, (message(number),), 1)
    assert len(waiting) == outbox.MOST_WAITING
    assert waiting[-1].message == message(999)


def test_without_an_address_nothing_waits_and_a_removed_one_is_not_waited_for() -> None:
    assert outbox.add((), (message(1),), 0) == ()
    waiting = outbox.add((), (message(1),), 3)
    assert outbox.delivered(waiting, 0, 1) == ()


def test_an_address_is_written_to_at_growing_pauses_and_after_rest_at_once() -> None:
    pace, now, at = Pace(), 1000.0, []
    while now < 1000 + 3600:
        if now >= pace.not_before:
            at.append(now)
            pace.written(now)
        now += 1
    assert [int(b - a) for a, b in itertools.pairwise(at)][:8] == [5, 10, 20, 40, 80, 160, 320, 600]
    assert len(at) < 15
    pace.written(now + 3 * outbox.LONGEST_GAP)
    assert pace.gap == 2 * outbox.FIRST_GAP


def test_a_thousand_refusals_that_change_for_an_hour_are_a_dozen_messages() -> None:
    """A bot that was taken over makes new wrong files all the time: each is told, and none of it is a flood."""
    time, pace, waiting, sent = Time(), Pace(), (), []
    for tick in range(60):
        found = [wrong("SourceUnsupported", f"{tick * 10 + number}.db") for number in range(1000)]
        waiting = outbox.add(waiting, time.messages(*found, later=timedelta(seconds=60)), 1)
        now = 1000.0 + 60 * tick
        if now >= pace.not_before and (message := outbox.for_address(waiting, 0)) is not None:
            sent.append(message)
            waiting = outbox.delivered(waiting, 0, 1)
            pace.written(now)
    assert 3 < len(sent) <= 12
    assert max(len(message.body) for message in sent) < 2000
    assert len(time.opened) == 1000
