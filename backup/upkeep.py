"""What goes on beside the runs: thinning, in a thread and on a connection of its own; it holds no run up."""

from __future__ import annotations

import logging
import time
from threading import Thread

from backup import document_growth
from backup.config import BackupSettings
from backup.thin import target_time, thin
from mirror.errors import SidemirrorError
from mirror.target import connected

log = logging.getLogger(__name__)


class Upkeep:
    """One at a time. It can be cut off anywhere, so nobody has to wait for it when the sidecar stops.

    `thinned_at`: when restore points were last thinned out, in seconds since 1970; 0 before the first time.
    """

    def __init__(self) -> None:
        self.thinned_at = 0.0
        self._thread: Thread | None = None

    def begin(self, settings: BackupSettings, full: bool = True) -> bool:
        """Unless it is still on. `full`: by RETENTION; older versions of documents are kept within their share each time."""
        if self.is_on:
            return False
        self._thread = Thread(target=self._thin, args=(settings, full), name="thinning", daemon=True)
        self._thread.start()
        return True

    def begin_after(self, settings: BackupSettings, full: bool, documents_sent: int) -> bool:
        """After a full run, or when so many bytes of documents were sent that it can have made a difference."""
        due = full or document_growth.worth_a_look(documents_sent, settings.target_size_limit)
        return due and self.begin(settings, full)

    @property
    def is_on(self) -> bool:
        return self._thread is not None and self._thread.is_alive()

    def wait(self) -> None:
        if self._thread is not None:
            self._thread.join()

    def _thin(self, settings: BackupSettings, full: bool) -> None:
        try:
            with connected(settings) as connection:
                went = 0
                if full:
                    went = thin(connection, settings.source_name, settings.retention, target_time(connection))
                went += document_growth.keep_within(
                    connection, settings.source_name, settings.retention, settings.target_size_limit
                )
            if went:
                self.thinned_at = time.time()
        except SidemirrorError as error:
            log.warning(
                "Restore points were not thinned out to the end, which goes on after the next full run: %s", error
            )
        except Exception:
            log.exception("An error in thinning that should not happen; please report it")
