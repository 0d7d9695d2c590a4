"""A bot's state in one JSON file that survives a crash at any instant.

    from bot_modules.database import load_data, save_data, data_manager

    data = await load_data()
    data["visits"] = data.get("visits", 0) + 1
    await save_data(data)

The file is `data.json` in the folder that JSON_DIR names. When `save_data` returns, the data is on the
disk. Whatever happens, `load_data` gives what was last saved, or the save in flight: backup_system.py says
how. Nothing but Python's standard library is needed.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from .backup_system import Store
from .backups import Backup
from .codec import Frozen
from .encoding import Data
from .errors import DamagedFileError, SaveFailedError, SettingsError, UnsavableDataError
from .recovery import Validate, refusal
from .settings import Settings, read_settings
from .statistics import Statistics

FILE_NAME = "data.json"

Outcome = TypeVar("Outcome")


class DataManager:
    """Loads and saves one document. Saves happen in the order of their calls, also when they overlap.

    `data` is what was last loaded, saved or restored. `validate` is the bot's own check of a document: it returns
    False or raises ValueError for one that is not the bot's. `fresh` gives the document of the very first start.

    All work on the disk is done by one thread, in order, so the event loop never waits for it and a load sees
    every save that was called before it.
    """

    def __init__(
        self,
        path: Path | None = None,
        *,
        validate: Validate | None = None,
        fresh: Callable[[], Data] = dict,
        settings: Settings | None = None,
    ) -> None:
        self._path = path
        self._settings = settings
        self._store: Store | None = None
        self._disk = ThreadPoolExecutor(max_workers=1, thread_name_prefix="json")
        self.validate = validate
        self.fresh = fresh
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
        """The newest document that was acknowledged; `fresh()` when there is none yet.

        What was found damaged is kept aside under a name with the time. Raises OSError when the folder is not
        there or a file may not be read, and SettingsError.
        """
        data = await self._do(self._opened().load)
        self.data = self.fresh() if data is None else data
        return self.data

    async def save(self, data: Data) -> None:
        """Makes `data`, as it is at the call, the file's durable content.

        Raises UnsavableDataError before anything is written, and SaveFailedError, an OSError, where the disk fails:
        it says where the data is safe. A caller that is cancelled no longer waits, but the save is carried out.
        """
        frozen = Frozen(data)
        if problem := refusal(data, self.validate):
            raise UnsavableDataError(f"data {problem}")
        store = self._opened()
        await self._do(lambda: store.save(frozen.content()))
        self.data = data

    async def statistics(self) -> Statistics:
        """Counts, sizes and times, as they are after every save that was called before."""
        return await self._do(self._opened().statistics)

    async def backups(self) -> list[Backup]:
        """Newest first."""
        return await self._do(self._opened().backups)

    async def restore(self, name: str) -> Data:
        """Makes the backup of that name the current document, by a save like any other.

        Raises FileNotFoundError for an unknown name, DamagedFileError when the backup does not validate, and
        SaveFailedError. What was current before is among the backups.
        """
        self.data = await self._do(lambda: self._opened().restore(name))
        return self.data

    def close(self) -> None:
        """Waits for the saves that were called, then ends the threads. At a program's end this happens by itself."""
        self._disk.shutdown()
        if self._store:
            self._store.close()

    def _opened(self) -> Store:
        if self._store is None:
            self._store = Store(self.path, self._settings or read_settings())
        self._store.validate = self.validate
        return self._store

    async def _do(self, work: Callable[[], Outcome]) -> Outcome:
        return await asyncio.shield(asyncio.wrap_future(self._disk.submit(work)))


data_manager = DataManager()


async def load_data() -> Data:
    """What was last saved; an empty dict, or `data_manager.fresh()`, at the very first start."""
    return await data_manager.load()


async def save_data(data: Data) -> None:
    """Returns when `data` is safely on the disk."""
    await data_manager.save(data)


__all__ = [
    "DamagedFileError",
    "Data",
    "DataManager",
    "SaveFailedError",
    "SettingsError",
    "UnsavableDataError",
    "data_manager",
    "load_data",
    "save_data",
]
