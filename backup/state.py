"""What the sidecar remembers between runs, beside the shadows. All of it can be lost without losing anything."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, TypeVar
from uuid import UUID, uuid4

from pydantic import AfterValidator, TypeAdapter

from mirror import safe_files
from mirror.errors import StateError
from mirror.locking import only_one

Kept = TypeVar("Kept")

UNFINISHED_SECONDS = 3600.0
MOST_BYTES = 100_000_000  # of a file with an entry for each file of the bot's


def write_atomically(path: Path, text: str, durable: bool = True) -> None:
    """Replaces the file by a new one, or leaves it as it was. Raises StateError.

    `durable`: before it returns. What may be lost in a power cut need not wait for the disk, nor make the bot wait for it.
    """
    try:
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StateError(
            f"cannot write {path.name} into the state folder {path.parent}: {error.strerror}",
            "make room there, or give the folder to the sidecar's user",
        ) from error


def sweep_unfinished(folder: Path) -> None:
    """Removes what write_atomically left when it was killed; another process may be writing one just now."""
    for path in folder.glob(".*.????????"):
        with suppress(OSError):
            if path.is_file() and time.time() - path.stat().st_mtime > UNFINISHED_SECONDS:
                path.unlink()


def read_json(path: Path) -> dict[str, Any]:
    """What write_atomically wrote as JSON; {} where there is nothing that can be read."""
    try:
        content = json.loads(safe_files.read_text(path, MOST_BYTES))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def read_as(kind: TypeAdapter[Kept], path: Path) -> Kept | None:
    """What write_atomically wrote, as that kind; None where nothing can be read, valid JSON of another shape among it."""
    try:
        return kind.validate_json(safe_files.read_bytes(path, MOST_BYTES))
    except (OSError, ValueError):
        return None


def _moment(text: str) -> str:
    if datetime.fromisoformat(text).tzinfo is None:
        raise ValueError("a time without its zone")
    return text


Moment = Annotated[str, AfterValidator(_moment)]  # ISO 8601 with its zone


def installation(state_dir: Path) -> UUID:
    """This installation's own id; made at the first call. Raises StateError."""
    path = state_dir / "installation"
    try:
        return UUID(safe_files.read_text(path).strip())
    except FileNotFoundError:
        pass
    except ValueError as error:
        raise StateError(
            f"the file {path} does not hold an installation's id",
            "delete it; then take the source over again",
        ) from error
    except OSError as error:
        raise StateError(
            f"the state folder {state_dir} cannot be read: {error.strerror}",
            "it has to belong to the sidecar's user: ./sidemirror up gives it back",
        ) from error
    write_atomically(path, f"{uuid4()}\n")
    return UUID(safe_files.read_text(path).strip())


@contextmanager
def run_lock(state_dir: Path) -> Iterator[None]:
    """Held for the length of a run. Raises RunInProgress at once when another process holds it, StateError."""
    with ExitStack() as stack:
        try:
            stack.enter_context(
                only_one(state_dir / "run.lock", "another run is in progress", "wait for it: ./sidemirror status")
            )
        except OSError as error:
            raise StateError(
                f"the state folder {state_dir} cannot be used: {error.strerror}",
                "it has to belong to the sidecar's user: ./sidemirror up gives it back",
            ) from error
        yield
