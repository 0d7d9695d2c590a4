"""A day of the reference bot, recorded: restored to any of its restore points, everything is as it was then.

The bot is its own data layer in a process of its own, whose connections stay open; its clock is sped up. What was there at
each point is told by tests/oracle.py and by the files' bytes, not by Sidemirror.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fix_nightly import NIGHTLY
from fix_source import Source
from restoring import content, contents_of, restored

from mirror import settings
from restore.config import RestoreSettings
from restore.request import Request
from restore.run import restore_into

POINTS = 400 if NIGHTLY else 24
SERVICE = Path(__file__).resolve().parents[2] / "services" / "bot"

# Each line that comes in is a part of the day.
BOT = """
import asyncio, os, random, sys
from pathlib import Path
from bot.premium import MarketLinks, Payment, Premium
from bot.requests import Requests
from bot.rules import Keep
from bot_modules.database import load_data, save_data

parts = int(sys.argv[1])
chance = random.Random(20261122)
folder = Path(os.environ["SQLITE_DIR"])
premium, requests = Premium(folder), Requests(folder)
now, number = 1_800_000_000, 0
people, groups = range(5_000_000_000, 5_000_000_012), range(-1_001_000_000_006, -1_001_000_000_000)

def pay():
    person, group = chance.choice(people), chance.choice(groups)
    premium.ask_payment(person, f"pay-{number}", 250, now)
    if chance.random() < 0.7:
        premium.buy_premium(Payment(person, group, f"pay-{number}", f"charge-{number}", 250), now)

def take_back():
    found = premium.refund(chance.choice(people), chance.choice(groups), "it is 'not' for me \\u2205", now)
    if found.id and chance.random() < 0.5:
        premium.finish_refund(found.id, "admin")

def link():
    premium.set_links(chance.choice(people), chance.choice(groups), MarketLinks(mrkt=f"https://m/{number}"))

def gift():
    name = chance.choice(["Plush Pepe", "Kuchen \\U0001f382", ""])
    requests.request_gift(chance.choice(people), chance.choice(groups), name, now)

def command():
    requests.use_command(chance.choice(people), chance.choice(groups), chance.choice(["/gift", "/stats"]), now)

def message():
    person, group = chance.choice(people), chance.choice(groups)
    requests.own_message(number, group, person, now)
    requests.link_messages(number, group, number + 1_000_000, person, now)

def delete():
    requests.delete_message(number - chance.randrange(1, 30), chance.choice(groups), chance.choice(people))

def tidy():
    premium.clean_up(now)
    requests.clean_up(now, Keep())

HABITS = {pay: 4, take_back: 1, link: 2, gift: 6, command: 6, message: 8, delete: 2, tidy: 1}

async def day():
    global now, number
    data = await load_data()
    await save_data(data | {"counters": {}})
    print("ready", flush=True)
    for _ in sys.stdin:
        now += 2 * 86400 // parts
        for act in chance.choices(*zip(*HABITS.items()), k=chance.randrange(12)):
            number += 1
            act()
            data.setdefault("counters", {})[act.__name__] = number
        if chance.random() < 0.8:
            await save_data(data)
        print("ready", flush=True)

asyncio.run(day())
"""


@contextmanager
def bot(source: Source) -> Iterator[subprocess.Popen[str]]:
    process = subprocess.Popen(
        [sys.executable, "-c", BOT, str(POINTS)],
        env=source.process_environ | {"PYTHONPATH": str(SERVICE), "EMERGENCY_DIR": str(source.folder / "emergency")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def live_part(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write("on\n")
    process.stdin.flush()
    assert process.stdout.readline() == "ready\n"


def short(found: dict[str, object]) -> dict[str, str]:
    return {name: hashlib.sha256(repr(what).encode()).hexdigest() for name, what in found.items()}


def mirrored(found: dict[str, object]) -> dict[str, object]:
    """Without the JSON store's own older copies, which are no documents."""
    return {name: what for name, what in found.items() if name.endswith(".db") or name == "data.json"}


def test_every_restore_point_of_a_day_gives_back_what_was_there_then(source: Source, tmp_path: Path) -> None:
    days: dict[int, dict[str, str]] = {}
    with bot(source) as process:
        for number in range(POINTS):
            live_part(process)
            was = short(mirrored(content(source, tmp_path / f"was {number}")))
            report = source.run()
            assert report.run is not None
            if report.committed:
                days[report.run] = was
            assert days[report.run] == was
    assert len(days) > POINTS * 0.8
    assert all(was.keys() == {"premium_system.db", "user_requests.db", "data.json"} for was in days.values())
    config = settings.load(RestoreSettings, source.environ)
    for run, was in days.items():
        into = tmp_path / f"into {run}"
        restore_into(config, Request(run), into, lambda _: None)
        (tmp_path / f"restored {run}").mkdir()
        found = contents_of(into / "sqlite", into / "json", tmp_path / f"restored {run}")
        assert short(found) == was, f"restore point {run}"
    for run in list(days)[:: max(1, POINTS // 4)]:
        restored(source, "--yes", "--run", str(run))
        assert short(mirrored(content(source, tmp_path / f"in place {run}"))) == days[run]
    print(f"{len(days)} restore points")
