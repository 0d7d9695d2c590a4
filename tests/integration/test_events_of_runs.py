"""What runs and commands leave in events.jsonl."""

from __future__ import annotations

from commanding import backup
from fix_source import Source
from restoring import fill

from backup import events


def told(source: Source) -> list[tuple[str, str, bool]]:
    return [(event.kind, event.subject, event.ended is not None) for event in events.read(source.state)]


def test_a_held_database_is_an_event_and_so_is_what_a_person_decides(source: Source) -> None:
    source.environ["GUARD_SHRINK"] = "50%"
    fill(source)
    assert backup(source, "once").returncode == 0
    assert told(source) == []
    source.write("DELETE FROM t")
    for _ in range(2):
        assert backup(source, "once").returncode == 6
    assert told(source) == [("GuardHeld", "bot.db", False)]
    assert backup(source, "accept").returncode == 0
    assert told(source)[1:] == [("Accepted", "bot.db", False), ("GuardHeld", "bot.db", True)]
    assert backup(source, "take-over", "--yes").returncode == 0
    assert told(source)[3:] == [("TakenOver", source.name, False)]


def test_a_target_that_is_away_is_an_event_until_it_is_back(source: Source) -> None:
    fill(source)
    for _ in range(2):
        assert backup(source, "once", SUPABASE_DB_PORT="9").returncode == 4
    assert backup(source, "once").returncode == 0
    began, ended = events.read(source.state)
    assert (began.kind, began.subject, began.ended) == ("TargetUnreachable", "run", None)
    assert "refuses the connection" in began.what
    assert began.hint
    assert ended.ended
    assert began.at <= ended.ended
