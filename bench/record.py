"""What was measured, kept as JSON: each bench with its day and the machine's load, so that one can be measured anew."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import picture
from bench.measure import Bar, Figure

FILE = "figures.json"


@dataclass(frozen=True)
class Record:
    """One bench. `load`: the machine's load before and after, of all programs."""

    title: str
    day: str
    cores: int
    rounds: int
    load: tuple[float, float]
    figures: tuple[Figure, ...]


def read(folder: Path) -> dict[str, Record]:
    """All that was measured so far, by the benches' names."""
    path = folder / FILE
    found = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {name: _record(**record) for name, record in found.items()}


def write(folder: Path, records: dict[str, Record]) -> None:
    """The JSON, the part of docs/performance.md, and its pictures."""
    told = json.dumps({name: asdict(record) for name, record in records.items()}, indent=1)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FILE).write_text(told + "\n", encoding="utf-8")
    lines = [line for record in records.values() for line in _part(record, folder)]
    (folder / "figures.md").write_text("\n".join(lines), encoding="utf-8")


def table(figures: tuple[Figure, ...]) -> list[str]:
    return [_row("what", "figure", "against", "goal"), _row("---", "---", "---", "---"), *map(_line, figures)]


def _part(record: Record, folder: Path) -> Iterator[str]:
    yield from (f"### {record.title}", "")
    before, after = record.load
    yield f"Measured {record.day} on {record.cores} cores, {record.rounds} rounds, medians (from to);"
    yield from (f"load {before:.1f} before and {after:.1f} after.", "", *table(record.figures), "")
    yield from (f"![{name}](images/{name})\n" for name in picture.draw(record.figures, folder))


def _line(figure: Figure) -> str:
    kept = {True: f"{figure.floor}, reached", False: f"{figure.floor}, **missed**", None: ""}[figure.kept]
    return _row(figure.what, figure.value, figure.against, kept)


def _row(*cells: str) -> str:
    return "| " + " | ".join(cells) + " |"


def _record(
    title: str, day: str, cores: int, rounds: int, load: tuple[float, float], figures: list[dict[str, object]]
) -> Record:
    return Record(title, day, cores, rounds, (load[0], load[1]), tuple(_figure(**figure) for figure in figures))


def _figure(bar: dict[str, object] | None, **others: object) -> Figure:
    return Figure(bar=Bar(**bar) if bar else None, **others)  # type: ignore[arg-type]
