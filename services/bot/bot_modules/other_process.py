"""Work that would hold Python's lock for long, done by a process of its own.

`json.dumps` and `json.loads` are single steps of C that let no other thread run: 100 ms and more for 10 MB, also
in a thread. The process is a plain Python that imports nothing of the bot (`multiprocessing` would run the bot's
main file a second time). It lives for one piece of work, so nothing is left behind, whenever the bot ends.
Data goes through files without a name rather than pipes, for which Python would have to pump every 4 kB.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from .large_work import REFUSED

TIME_LIMIT = 120.0
CHUNK = 1 << 20
_START = "import sys; sys.path.append(sys.argv[1]); import importlib; importlib.import_module(sys.argv[2]).main()"


class NoOtherProcessError(Exception):
    """It could not be started or did not finish: the caller does the work itself."""


class RefusedError(Exception):
    """The work says no: the text says why."""


@contextmanager
def done_elsewhere(work: str, given: bytes) -> Iterator[BinaryIO]:
    """The outcome of `encode` (marshal to JSON) or `parse` (JSON to frames, see pieces.py), as a file at its start.

    Raises RefusedError and NoOtherProcessError.
    """
    try:
        with _nameless_file() as source, _nameless_file() as outcome:
            view = memoryview(given)
            for start in range(0, len(view), CHUNK):
                source.write(view[start : start + CHUNK])
            source.seek(0)
            _run(work, source, outcome)
            end = outcome.seek(0, os.SEEK_END)
            outcome.seek(0)
            status, length = outcome.read(1), int.from_bytes(outcome.read(8), "big")
            if end != 9 + length:
                raise NoOtherProcessError("its answer is not whole")
            if status == REFUSED:
                raise RefusedError(outcome.read().decode())
            yield outcome
    except (OSError, subprocess.SubprocessError) as error:
        raise NoOtherProcessError(f"{type(error).__name__}: {error}") from error


def _run(work: str, source: BinaryIO, outcome: BinaryIO) -> None:
    if not sys.executable:
        raise NoOtherProcessError("there is no Python to start")
    folder = Path(__file__).resolve().parent
    command = [sys.executable, "-I", "-S", "-c", _START, str(folder.parent), f"{folder.name}.large_work", work]
    # A session of its own: Ctrl-C in a terminal is for the bot, which still saves.
    done = subprocess.run(
        command, stdin=source, stdout=outcome, stderr=subprocess.DEVNULL,
        check=False, timeout=TIME_LIMIT, start_new_session=True,
    )  # fmt: skip
    if done.returncode != 0:
        raise NoOtherProcessError(f"it ended with {done.returncode}")


def _nameless_file() -> BinaryIO:
    if hasattr(os, "memfd_create"):
        return os.fdopen(os.memfd_create("json"), "w+b", buffering=0)
    return tempfile.TemporaryFile(buffering=0)
