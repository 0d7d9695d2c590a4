"""Encoding and parsing that leave the event loop free.

What must happen at the call of a save is a copy of the document as it is at that moment, in one step that no other
task can interrupt. `marshal` makes it in about 10 ns a value: 1 to 10 ms for 10 MB, against 150 for JSON, 35 for
`pickle` and 240 for `copy.deepcopy`. All the rest happens elsewhere: see other_process.py.
"""

from __future__ import annotations

import gc
import logging
import marshal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from .encoding import Data, encode, parse
from .errors import UnsavableDataError
from .other_process import NoOtherProcessError, RefusedError, done_elsewhere
from .pieces import join

SMALL = 64 * 1024
"""Bytes up to which the work is done on the spot, in a millisecond or two; starting a process takes 30."""
PAUSE = 0.0002

log = logging.getLogger("bot_modules")


class Frozen:
    """A document as it was at one moment."""

    def __init__(self, data: Data) -> None:
        """Raises UnsavableDataError, here or in `content`."""
        self._snapshot: bytes | None = None
        self._content: bytes | None = None
        if isinstance(data, dict):
            with suppress(ValueError):  # a defaultdict, an Enum: JSON can hold them, marshal cannot
                self._snapshot = marshal.dumps(data)
        if self._snapshot is None or len(self._snapshot) <= SMALL:
            self._content = encode(data)
            self._snapshot = None

    def content(self) -> bytes:
        """The bytes of the file. Takes long for a large document: not for the event loop's thread."""
        if self._content is None and self._snapshot is not None:
            self._content = _encode_large(self._snapshot)
            self._snapshot = None
        assert self._content is not None
        return self._content


def _encode_large(snapshot: bytes) -> bytes:
    try:
        with done_elsewhere("encode", snapshot) as outcome:
            return outcome.read()
    except RefusedError as error:
        raise UnsavableDataError(str(error)) from None
    except NoOtherProcessError as error:
        log.warning("no process for encoding: %s. The bot encodes by itself, which holds it up", error)
        return encode(marshal.loads(snapshot))


def thaw(content: bytes) -> Data:
    """The document in a file's content. Raises ValueError when there is none. Not for the event loop's thread."""
    if len(content) <= SMALL:
        return parse(content)
    try:
        with done_elsewhere("parse", content) as outcome, _no_full_collections():
            data: Data = join(outcome.read, lambda: time.sleep(PAUSE))
    except RefusedError as error:
        raise ValueError(str(error)) from None
    except NoOtherProcessError as error:
        log.warning("no process for parsing: %s. The bot parses by itself, which holds it up", error)
        return parse(content)
    return data


@contextmanager
def _no_full_collections() -> Iterator[None]:
    """While a million objects are built, Python would look for garbage among all of them several times: 70 ms each."""
    before = gc.get_threshold()
    gc.set_threshold(before[0], before[1], 1_000_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)
