"""One file read alone, in a process of its own with limits of memory and time: whatever is in it ends nothing else.

`python -m backup.alone KIND FOLDER FILE SCRATCH BYTES` reads it as a run would, and prints what is wrong as JSON.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import mirror.errors
from backup import documents, snapshot, turns
from backup.faults import fault
from mirror.errors import SidemirrorError, Stuck
from mirror.inspection import inspect

# Times the limit of a turn: nobody waits for it.
PATIENCE = 4.0
LEAST_MEMORY = 256 * 1024 * 1024
MOST_MEMORY = 2 * 1024 * 1024 * 1024


@dataclass
class _Trial:
    process: subprocess.Popen[str]
    scratch: tempfile.TemporaryDirectory[str]
    until: float

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        self.scratch.cleanup()


class Trials:
    """At most one at a time; asked again at each run, never waited for."""

    def __init__(self) -> None:
        self._trials: dict[str, _Trial] = {}

    def begin(self, state_dir: Path, kind: str, folder: Path, file: str) -> None:
        """Starts one, unless another is on."""
        if self._trials:
            return
        scratch = tempfile.TemporaryDirectory(prefix="alone-", dir=state_dir)
        command = [sys.executable, "-m", __name__, kind, str(folder), file, scratch.name, str(_memory())]
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        until = time.monotonic() + PATIENCE * turns.limit(turns.size(folder / file))
        self._trials[file] = _Trial(process, scratch, until)

    def on(self, file: str) -> bool:
        return file in self._trials

    def end(self, file: str) -> tuple[bool, SidemirrorError | None]:
        """Whether it is over, and what was wrong then."""
        trial = self._trials[file]
        late = time.monotonic() > trial.until
        if trial.process.poll() is None and not late:
            return False, None
        self._trials.pop(file)
        output = "" if late or trial.process.stdout is None else trial.process.stdout.read()
        code = trial.process.poll()
        trial.end()
        if late:
            return True, Stuck(f"{file} cannot be read in the time that there is for its size", _HINT)
        if code == 0:
            return True, None
        return True, _told(output) or Stuck(f"{file} ended the process that read it alone (code {code})", _HINT)

    def close(self) -> None:
        """None of them goes on."""
        for trial in self._trials.values():
            trial.end()
        self._trials.clear()


_HINT = "keep it out of the bot's folder if it is not needed; its mirror stays as it was, and all other files go on"


def _told(output: str) -> SidemirrorError | None:
    try:
        kind, what, hint = json.loads(output)
        found = getattr(mirror.errors, kind)
    except (ValueError, TypeError, AttributeError):
        return None
    return found(what, hint) if isinstance(found, type) and issubclass(found, SidemirrorError) else None


def _memory() -> int:
    """Half of what the container may have (https://docs.kernel.org/admin-guide/cgroup-v2.html#memory-interface-files)."""
    try:
        most = int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii"))
    except (OSError, ValueError):
        return MOST_MEMORY
    return max(LEAST_MEMORY, min(MOST_MEMORY, most // 2))


def _read(kind: str, folder: Path, file: str, scratch: Path) -> None:
    if kind == "document":
        documents.read(documents.Reading(folder, scratch, sys.maxsize), file, lambda: False).close()
        return
    copy = snapshot.take(folder / file, scratch / "copy", full_check=False)
    inspect(copy.path, copy.journal_mode)


def main(kind: str, folder: str, file: str, scratch: str, memory: str) -> int:
    resource.setrlimit(resource.RLIMIT_AS, (int(memory), int(memory)))
    try:
        _read(kind, Path(folder), file, Path(scratch))
    except Exception as error:  # noqa: BLE001 - that is what it is here for
        told = fault(file, error)
        sys.stdout.write(json.dumps([type(told).__name__, told.what, told.hint]))
        return told.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
