"""For the container's health check: what the sidecar said of itself last, and is that recent?

It is asked every few seconds for as long as the container lives, so it does nothing but read one file, and imports nothing
of the sidecar: a start of Python is all that it costs. Who writes the file is alive.py.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

ALIVE_FILE = "alive"
# The sidecar beats every two seconds; a machine that is busy, or a clock that was set, may take some of them.
LOST_SECONDS = 30.0
LONGEST = 200  # bytes of what it says


def main(state_dir: Path) -> int:
    """Prints the sentence; gives the exit code that stands before it, or 1 when the sidecar is silent."""
    try:
        with (state_dir / ALIVE_FILE).open("rb") as file:
            silent = time.time() - os.fstat(file.fileno()).st_mtime
            code, _, sentence = file.read(LONGEST).decode(errors="replace").partition(" ")
    except OSError as error:
        print(f"the main program has not been heard from: {error}")
        return 1
    if silent > LOST_SECONDS:
        print(f"the main program has not been heard from for {int(silent)} s")
        return 1
    print(sentence.strip() or "the main program has only just started")
    return int(code) if code.isdecimal() else 1


if __name__ == "__main__":
    sys.exit(main(Path(os.environ.get("STATE_DIR", "volumes/state"))))
