"""A bot's state in one JSON file that survives a crash at any instant.

    from bot_modules.database import load_data, save_data, data_manager

    data = await load_data()
    data["visits"] = data.get("visits", 0) + 1
    await save_data(data)

The file is `data.json` in the folder that JSON_DIR names. When `save_data` returns, the data is on the
disk. Whatever happens, the file is either the old one or the new one, whole. Nothing but Python's
standard library is needed.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

FILE_NAME = "data.json"

Data = dict[str, Any]


class UnsavableDataError(ValueError):
    """The data holds something that JSON cannot give back unchanged. Nothing was written."""


class DamagedFileError(ValueError):
    """The file is there but holds no JSON object. It was left as it is."""


class DataManager:
    """Loads and saves one file. Saves happen in the order of their calls, also when they overlap.

    `data` is what was last loaded or saved. All work on the disk is done by one thread, in order, so
    the event loop never waits for it and a load sees every save that was called before it.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="json")
        self.data: Data = {}

    @property
    def path(self) -> Path:
        """The file: the one given, or `data.json` in JSON_DIR."""
        if self._path is None:
            folder = os.environ.get("JSON_DIR")
            if not folder:
                raise RuntimeError(f"JSON_DIR is not set: set it to the folder that {FILE_NAME} is kept in")
            self._path = Path(folder) / FILE_NAME
        return self._path

    async def load(self) -> Data:
        """What the file holds; an empty dict when there is none yet.

        Raises DamagedFileError where it cannot be read as a JSON object, and OSError.
        """
        self.data = await asyncio.wrap_future(self._disk.submit(_read, self.path))
        return self.data

    async def save(self, data: Data) -> None:
        """Makes `data`, as it is at the call, the file's durable content.

        Raises UnsavableDataError before anything is written, and OSError where the disk fails. A caller that
        is cancelled no longer waits, but the save is carried out.
        """
        saving = self._disk.submit(write_durably, self.path, encode(data))
        await asyncio.shield(asyncio.wrap_future(saving))
        self.data = data


data_manager = DataManager()


async def load_data() -> Data:
    """What was last saved; an empty dict at the very first start."""
    return await data_manager.load()


async def save_data(data: Data) -> None:
    """Returns when `data` is safely on the disk."""
    await data_manager.save(data)


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


def write_durably(path: Path, content: bytes) -> None:
    """Replaces the file in one step that a crash or a power cut leaves either undone or done.

    The temporary file has a fixed name, so one that a crash left is used again rather than piling up,
    and no name that ends in `.json`, so nobody takes it for a document.
    """
    temporary = path.with_name(f".{path.name}.new")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        temporary.unlink(missing_ok=True)  # a full disk needs the room
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read(path: Path) -> Data:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise
        return {}
    try:
        data = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise DamagedFileError(
            f"{path} is not JSON ({error}); keep it aside and put a backup in its place"
        ) from error
    if not isinstance(data, dict):
        raise DamagedFileError(f"{path} holds a {type(data).__name__}, not an object")
    return data


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
