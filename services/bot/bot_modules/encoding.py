"""From a document to the bytes of its file and back, refusing whatever would not come back the same."""

from __future__ import annotations

import json
import math
from typing import Any, NoReturn

from .errors import UnsavableDataError

Data = dict[str, Any]


def encode(data: Data) -> bytes:
    """The file's content for `data`, or UnsavableDataError naming the place that JSON cannot hold."""
    if not isinstance(data, dict):
        raise UnsavableDataError(f"data is a {type(data).__name__}; it must be a dict")
    try:
        if problem := _problem(data):
            raise UnsavableDataError(f"data{problem}")
        text = json.dumps(data, ensure_ascii=False, allow_nan=False)
    except RecursionError:
        raise UnsavableDataError("data is nested too deeply, or contains itself") from None
    try:
        return text.encode()
    except UnicodeEncodeError:  # half a surrogate pair is not UTF-8; escaped, it still comes back the same
        return json.dumps(data, allow_nan=False).encode("ascii")


def parse(content: bytes) -> Data:
    """The document in a file's content. Raises ValueError, in plain words, when there is none."""
    try:
        data = json.loads(content, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"is not JSON ({error})" if content else "is empty") from None
    if not isinstance(data, dict):
        raise ValueError(f"holds a {type(data).__name__}, not an object")
    return data


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no number of JSON's")


def _problem(value: object) -> str | None:
    """Where in `value` JSON could not give back the same, and why; None when it can.

    The place is put together on the way back only, so that sound data costs no text.
    """
    if isinstance(value, str):
        return None if value.isascii() or _comes_back(value) else " is text that JSON would change"
    if value is None or isinstance(value, bool):
        return None
    if isinstance(value, int):
        return _problem_of_int(value)
    if isinstance(value, float):
        return None if math.isfinite(value) else f" is {value}, which JSON has no number for"
    if isinstance(value, dict):
        return _problem_of_dict(value)
    if isinstance(value, list | tuple):
        for position, item in enumerate(value):
            if problem := _problem(item):
                return f"[{position}]{problem}"
        return None
    return f" is a {type(value).__name__}, which JSON cannot hold"


def _problem_of_int(value: int) -> str | None:
    try:
        int.__repr__(value)
    except ValueError:
        return " is a number of too many digits"
    return None


def _problem_of_dict(value: dict[object, object]) -> str | None:
    for key, item in value.items():
        if not isinstance(key, str):
            return f" has the key {key!r}; JSON keys are text: use str(...)"
        if _problem(key):
            return f" has the key {key!r}, which JSON would change"
        if problem := _problem(item):
            return f"[{key!r}]{problem}"
    return None


def _comes_back(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return bool(json.loads(json.dumps(text)) == text)
    return True
