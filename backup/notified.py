"""Which folders of the source were written to: the kernel tells it (inotify), so nothing is looked at while nothing happens.

It comes across containers, as long as all of them are on one kernel and the folders on a local disk.
"""

from __future__ import annotations

import errno
import os
import select
from collections.abc import Iterator
from pathlib import Path

from inotify_simple import INotify, flags

from mirror.catalog_values import OUR_FOLDERS

_WRITTEN = (
    flags.MODIFY
    | flags.ATTRIB
    | flags.CREATE
    | flags.DELETE
    | flags.MOVED_FROM
    | flags.MOVED_TO
    | flags.DELETE_SELF
    | flags.MOVE_SELF
)
# A folder that is gone again, or that we may not look into: a run tells it.
_NOT_THIS_ONE = (errno.ENOENT, errno.ENOTDIR, errno.EACCES)
_FOLDERS_CHANGED = flags.ISDIR | flags.Q_OVERFLOW | flags.DELETE_SELF | flags.MOVE_SELF | flags.IGNORED


class Watch:
    """All folders below some, those made later included. `wake`: a descriptor that ends a wait when it is readable."""

    def __init__(self, folders: tuple[Path, ...], wake: int) -> None:
        self.folders = folders
        self.wake = wake
        self.inotify: INotify | None = None
        self.missing: list[Path] = []  # of `folders`; nobody tells when they come back
        self.open()

    @property
    def works(self) -> bool:
        return self.inotify is not None

    def wait(self, seconds: float, deaf: bool = False) -> bool:
        """Whether something was written, as soon as it was; False after `seconds`, or when woken.

        `deaf`: only sleeps. What is written meanwhile is kept by the kernel, equal things once.
        """
        if not deaf and any(folder.is_dir() for folder in self.missing):
            self.open()
            return True
        poll = select.poll()
        poll.register(self.wake, select.POLLIN)
        if self.inotify is not None and not deaf:
            poll.register(self.inotify.fileno(), select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(max(0, seconds) * 1000)}
        return self.inotify is not None and self.inotify.fileno() in ready and self._read()

    def close(self) -> None:
        if self.inotify is not None:
            self.inotify.close()
            self.inotify = None

    def _read(self) -> bool:
        """Takes all that is there. A WAL index (-shm) is written to by readers as well, ourselves included."""
        assert self.inotify is not None
        events = self.inotify.read(timeout=0)
        if any(event.mask & _FOLDERS_CHANGED for event in events):
            self.open()
        return any(not event.name.endswith("-shm") for event in events)

    def open(self) -> None:
        """Watches every folder anew. Where the kernel allows no (more) watches, there are none at all."""
        self.close()
        self.missing = [folder for folder in self.folders if not folder.is_dir()]
        try:
            self.inotify = INotify()
            for folder in self._all_folders():
                self._add(self.inotify, folder)
        except OSError:
            self.close()

    def _add(self, inotify: INotify, folder: Path) -> None:
        try:
            inotify.add_watch(folder, _WRITTEN)
        except OSError as error:
            if error.errno not in _NOT_THIS_ONE:
                raise

    def _all_folders(self) -> Iterator[Path]:
        for top in self.folders:
            for parent, names, _ in os.walk(top):
                names[:] = [name for name in names if name not in OUR_FOLDERS and not name.startswith(".")]
                yield Path(parent)
