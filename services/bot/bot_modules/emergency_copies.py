"""The places of layer 4: beside the main file, then in EMERGENCY_DIR."""

from __future__ import annotations

import logging
import os
from pathlib import Path

from .durable import move_aside, sync_folder
from .emergency import Emergency, write_emergency

log = logging.getLogger("bot_modules")


class EmergencyCopies:
    """`unread` are those that this program neither wrote nor loaded: they are kept aside, not deleted."""

    def __init__(self, path: Path, second_place: Path | None) -> None:
        name = f"{path.stem}.emergency.json"
        folders = [path.parent, *([second_place] if second_place else [])]
        self._second_place = second_place
        self.paths = list(dict.fromkeys(folder / name for folder in folders))
        self.unread: set[Path] = set()

    def there(self) -> set[Path]:
        return {path for path in self.paths if os.path.lexists(path)}

    def write(self, copy: Emergency) -> Path | None:
        """Where it is safe; None when it is nowhere."""
        for path in self.paths:
            try:
                if path.parent == self._second_place:
                    path.parent.mkdir(parents=True, exist_ok=True)
                write_emergency(path, copy)
            except OSError as error:
                log.warning("no emergency copy in %s: %s", path.parent, error)
                continue
            self.unread.discard(path)
            return path
        return None

    def remove(self) -> None:
        """When data.json is newer. One that cannot be removed now is tried again after the next save."""
        for path in self.there():
            try:
                if path in self.unread:
                    log.warning("%s is older than what was saved, and was never loaded; kept aside", path)
                    move_aside(path, "unread")
                else:
                    path.unlink(missing_ok=True)
                sync_folder(path.parent)
            except OSError as error:
                log.warning("an older emergency copy stays: %s", error)
                continue
            self.unread.discard(path)
