"""python -m bench.json_store [--saves N] [--folder DIR]: a durable save of a JSON document, five ways.

    bytes      write + fsync + rename of ready-made bytes: the limit
    dump       json.dump + fsync + rename, as most careful bots do it, on the event loop
    thread     the same in a thread
    TinyDB     update of one of the same users: it writes its one file anew, in place (a crash can leave it half)
    store      await save_data(): layers 1 and 2, and 3 every fifth time; the event loop watched meanwhile

The ways take turns, so that what else happens on the machine happens to all of them. TinyDB is measured when it is
installed: pip install -r requirements/bench.txt
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "services" / "bot"))

from bot_modules.database import DataManager
from bot_modules.encoding import encode
from bot_modules.settings import Settings

SIZES = {"100 kB": 100_000, "10 MB": 10_000_000}
TICK = 0.001

Save = Callable[[], Awaitable[None]]


@click.command(help="Latency of a durable save, and how long the event loop stood still.")
@click.option("--saves", default=40, show_default=True, help="Saves of 10 MB; ten times as many of 100 kB.")
@click.option("--folder", type=click.Path(path_type=Path), help="Where to write: a real disk, not a tmpfs.")
def main(saves: int, folder: Path | None) -> None:
    gc.disable()  # Python's own pauses with a million objects are the same for all
    click.echo(_row("document", "way", "p50", "p99", "stall p50", "stall, worst") + "\n" + _row(*["---"] * 6))
    for name, size in SIZES.items():
        rounds = saves * 10 if size < 1_000_000 else saves
        with tempfile.TemporaryDirectory(dir=folder, prefix="json-store-") as place:
            for way, (times, stalls) in asyncio.run(_measure(Path(place), size, rounds)).items():
                figures = [
                    times[len(times) // 2],
                    times[int(len(times) * 0.99)],
                    statistics.median(stalls),
                    max(stalls),
                ]
                click.echo(_row(name, way, *(f"{figure * 1000:.1f} ms" for figure in figures)))


async def _measure(place: Path, size: int, rounds: int) -> dict[str, tuple[list[float], list[float]]]:
    data = document(size)
    ways = _ways(place, data)
    measured: dict[str, tuple[list[float], list[float]]] = {way: ([], []) for way in ways}
    for number in range(-2, rounds):  # two to warm up
        data["users"]["0"]["name"] = f"user 0, save {number}"
        for way, save in ways.items():
            seconds, stall = await _watched(save)
            if number >= 0:
                measured[way][0].append(seconds)
                measured[way][1].append(stall)
        await asyncio.sleep(0.01)
    for times, _ in measured.values():
        times.sort()
    return measured


def document(size: int) -> dict[str, Any]:
    """About `size` bytes of a bot's users."""
    one = len(encode({"10000": _user(10_000)}))
    return {"version": 1, "users": {str(n): _user(n) for n in range(size // one)}}


def _user(n: int) -> dict[str, Any]:
    return {"name": f"user {n}", "language": "en", "gifts": [n, n + 1], "premium": n % 2 == 0, "bio": "Käse 🎁 " * 7}


def _ways(place: Path, data: dict[str, Any]) -> dict[str, Save]:
    ready = encode(data)
    manager = DataManager(place / "data.json", settings=Settings())

    def dump() -> None:
        with (place / "dump.new").open("w", encoding="utf-8") as file:
            json.dump(data, file, ensure_ascii=False)
            file.flush()
            os.fsync(file.fileno())
        (place / "dump.new").replace(place / "dump.json")

    def raw() -> None:
        with (place / "raw.new").open("wb") as file:
            file.write(ready)
            file.flush()
            os.fsync(file.fileno())
        (place / "raw.new").replace(place / "raw.json")

    ways: dict[str, Save] = {
        "write + fsync + rename of ready bytes, in a thread": lambda: asyncio.to_thread(raw),
        "json.dump + fsync + rename, on the loop": lambda: _on_the_loop(dump),
        "json.dump + fsync + rename, in a thread": lambda: asyncio.to_thread(dump),
        "save_data, all layers": lambda: manager.save(data),
    }
    if tiny := _tinydb(place, data):
        ways["TinyDB update, on the loop"] = tiny
    return ways


def _tinydb(place: Path, data: dict[str, Any]) -> Save | None:
    try:
        from tinydb import TinyDB
    except ImportError:
        return None
    table = TinyDB(place / "tiny.json", ensure_ascii=False, encoding="utf-8")
    table.insert_multiple([dict(user) for user in data["users"].values()])

    def update() -> None:
        table.update({"name": data["users"]["0"]["name"]}, doc_ids=[1])

    return lambda: _on_the_loop(update)


async def _on_the_loop(work: Callable[[], None]) -> None:
    work()


async def _watched(save: Save) -> tuple[float, float]:
    """Seconds until the save returned, and the longest time that the loop could do nothing else meanwhile."""
    worst = 0.0
    stop = False

    async def tick() -> None:
        nonlocal worst
        last = time.perf_counter()
        while not stop:
            await asyncio.sleep(TICK)
            now = time.perf_counter()
            worst = max(worst, now - last - TICK)
            last = now

    ticking = asyncio.ensure_future(tick())
    await asyncio.sleep(0)
    began = time.perf_counter()
    await save()
    seconds = time.perf_counter() - began
    await asyncio.sleep(2 * TICK)
    stop = True
    await ticking
    return seconds, worst


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main(prog_name="bench.json_store")
