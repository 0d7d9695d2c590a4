"""A large document in small pieces, so that no single step of building it takes long.

A stream of frames: one byte that says what it is, four bytes of length, the payload (marshal).
Large containers are opened, filled with runs of small items and closed again; what is small comes whole.
"""

from __future__ import annotations

import marshal
from collections.abc import Callable, Iterator
from typing import Any

LIMIT = 16_384
"""Bytes of marshal in a piece; building one takes well under a millisecond."""

HEAD = 5
VALUE, OPEN, ITEMS, KEY, CLOSE = b"V", b"O", b"I", b"K", b"C"


def split(value: Any) -> Iterator[bytes]:
    """The frames of a JSON value. Raises RecursionError when large containers are nested very deeply."""
    whole = marshal.dumps(value)
    if len(whole) <= LIMIT or not isinstance(value, dict | list):
        yield _frame(VALUE, whole)
        return
    yield _frame(OPEN, marshal.dumps(isinstance(value, dict)))
    run: list[Any] = []
    size = 0
    for item in value.items() if isinstance(value, dict) else value:
        weight = len(marshal.dumps(item))
        if weight > LIMIT:
            yield _frame(ITEMS, marshal.dumps(run))
            run, size = [], 0
            yield _frame(KEY, marshal.dumps(item[0] if isinstance(value, dict) else None))
            yield from split(item[1] if isinstance(value, dict) else item)
            continue
        run.append(item)
        size += weight
        if size > LIMIT:
            yield _frame(ITEMS, marshal.dumps(run))
            run, size = [], 0
    yield _frame(ITEMS, marshal.dumps(run))
    yield _frame(CLOSE, b"")


def join(read: Callable[[int], bytes], pause: Callable[[], None]) -> Any:
    """The value whose frames `read` gives, byte count by byte count; `pause` is called after each piece."""
    open_ones: list[tuple[Any, Any]] = []
    key: Any = None
    while True:
        head = read(HEAD)
        kind, payload = head[:1], read(int.from_bytes(head[1:], "big"))
        pause()
        if kind == OPEN:
            open_ones.append(({} if marshal.loads(payload) else [], key))
            continue
        if kind == ITEMS:
            container = open_ones[-1][0]
            (container.update if isinstance(container, dict) else container.extend)(marshal.loads(payload))
            continue
        if kind == KEY:
            key = marshal.loads(payload)
            continue
        value, key = open_ones.pop() if kind == CLOSE else (marshal.loads(payload), key)
        if not open_ones:
            return value
        container = open_ones[-1][0]
        if isinstance(container, dict):
            container[key] = value
        else:
            container.append(value)


def _frame(kind: bytes, payload: bytes) -> bytes:
    return kind + len(payload).to_bytes(4, "big") + payload
