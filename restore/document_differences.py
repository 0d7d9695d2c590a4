"""What a restore would change in one document: its values by their path, told apart by the very text of a number."""

from __future__ import annotations

import filecmp
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# What is larger takes many times its size in memory, and nobody reads a list of its values.
_PARSED_BYTES = 16_000_000


@dataclass(frozen=True)
class ValueExample:
    """One value by its path (`$.users.7`), as JSON: as it is now, and as it was; None where it is not there."""

    path: str
    now: str | None
    then: str | None


@dataclass(frozen=True)
class DocumentDifference:
    """Sizes in bytes, counts of values; None where there is no such file, or where it is no JSON or too large."""

    file: str
    now: int | None
    then: int
    equal: bool
    added: int | None
    changed: int | None
    removed: int | None
    examples: tuple[ValueExample, ...] = ()


class _Number(str):
    """A number as it is written: 1 is not 1.0."""

    __slots__ = ()


def compare_documents(file: str, now: Path, then: Path, most: int) -> DocumentDifference:
    """Compares the bytes, and of two that are small enough the values, with up to `most` examples of each kind."""
    size, size_then = now.stat().st_size if now.exists() else None, then.stat().st_size
    equal = size == size_then and filecmp.cmp(now, then, shallow=False)
    if max(size or 0, size_then) > _PARSED_BYTES:
        return DocumentDifference(file, size, size_then, equal, None, None, None)
    values_now, values_then = {} if size is None else _values(now.read_bytes()), _values(then.read_bytes())
    if values_now is None or values_then is None:
        return DocumentDifference(file, size, size_then, equal, None, None, None)
    examples = [
        ValueExample(path, values_now.get(path), values_then.get(path))
        for path in [*values_then, *(path for path in values_now if path not in values_then)]
        if values_now.get(path) != values_then.get(path)
    ]
    kinds = (
        [example for example in examples if example.now is None],
        [example for example in examples if example.now is not None and example.then is not None],
        [example for example in examples if example.then is None],
    )
    added, changed, removed = (len(kind) for kind in kinds)
    shown = tuple(example for kind in kinds for example in kind[:most])
    return DocumentDifference(file, size, size_then, equal, added, changed, removed, shown)


def _values(document: bytes) -> dict[str, str] | None:
    try:
        parsed = json.loads(document, parse_int=_Number, parse_float=_Number, parse_constant=_Number)
    except (ValueError, RecursionError):
        return None
    found: dict[str, str] = {}
    todo: list[tuple[str, Any]] = [("$", parsed)]
    while todo:
        path, value = todo.pop()
        if isinstance(value, dict) and value:
            todo += [(f"{path}.{_step(name)}", inner) for name, inner in reversed(value.items())]
        elif isinstance(value, list) and value:
            todo += [(f"{path}[{number}]", inner) for number, inner in reversed(list(enumerate(value)))]
        else:
            found[path] = str(value) if isinstance(value, _Number) else json.dumps(value, ensure_ascii=False)
    return found


def _step(name: str) -> str:
    return name if name.isalnum() else json.dumps(name, ensure_ascii=False)
