"""Five layers behind one document: what was acknowledged is there again after a crash at any instant.

    1  data.json                                replaced in one step; a save returns when the disk has it
    2  backups/backup_TIME.json                 every save
    3  backups/backup_compressed_TIME.json.gz   every fifth save
    4  data.emergency.json                      when layer 1 fails; in EMERGENCY_DIR when the folder fails
    5  a notice to a Discord webhook            every tenth save, and at once on failure and recovery

A `Store` works on bytes, synchronously, in one thread; database.py is the way in for a bot.
"""

from __future__ import annotations

import errno
import logging
import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from .backups import COMPRESSED, FOLDER, TIMESTAMPED, Backup, Stamp, list_backups, name_of, next_stamp, pack
from .checksums import Copy, Save, read_known, sha256, write_known
from .cleanup import to_delete
from .durable import discard, keep_aside, move_aside, publish, stage, sync_folder, write_durably
from .emergency import Emergency
from .emergency_copies import EmergencyCopies
from .encoding import Data
from .errors import DamagedFileError, SaveFailedError
from .recovery import Found, Validate, checked, content_of, recover, size_and_time
from .settings import Settings
from .statistics import Statistics, in_words, look
from .webhook import Webhook

COMPRESSED_EVERY = 5
NOTICE_EVERY = 10
MOST_DOUBTS = 100
"""Contents that data.json may have after failed saves; beyond that the oldest and the newest are remembered."""

log = logging.getLogger("bot_modules")


class Store:
    """The layers of one file. For one thread at a time."""

    def __init__(self, path: Path, settings: Settings, validate: Validate | None = None) -> None:
        self.path = path
        self.folder = path.parent / FOLDER
        self.validate = validate
        self._emergency = EmergencyCopies(path, settings.emergency_dir)
        self._keep = settings.keep_backups
        self._webhook = Webhook(settings.webhook_url)
        self._failures = self._failures_in_a_row = self._recoveries = 0
        self._is_open = False

    # --- loading ---------------------------------------------------------------------------------------------------

    def load(self) -> Data | None:
        """The newest document that was acknowledged; None when there is none. Mends what it found damaged.

        Raises OSError when a file may not be read, or its folder is not there.
        """
        found = self._open()
        self._let_go_of_outlived(found)
        if found.source == self.path and not found.damaged:
            return found.data
        if found.source is None and not found.damaged:
            if not self.path.parent.is_dir():
                raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(self.path.parent))
            return None
        self._mend(found)
        return found.data

    def _open(self) -> Found:
        """Reads everything anew: another hand may have put a file there."""
        self._known = read_known(self.folder)
        found = recover(self.path, self._emergency.paths, self.folder, self._known, self.validate)
        self._number = found.highest_number
        self._may_hold = [found.main_sha256]
        self._to_keep: list[tuple[Path, str]] = []
        self._emergency.unread = self._emergency.there()
        self._newest = self._newest_stamp()
        self._is_open = True
        return found

    def _newest_stamp(self) -> Stamp | None:
        try:
            return max((backup.stamp for backup in self.backups()), default=None)
        except OSError as error:
            log.warning("the backups cannot be listed: %s", error)
            return None

    def _let_go_of_outlived(self, found: Found) -> None:
        try:
            if found.outlived:
                sync_folder(self.path.parent)  # data.json is what remains: its name must be as durable
            for path in found.outlived:
                log.warning("%s is older than %s, which was saved or put there later; kept aside", path, self.path.name)
                move_aside(path, "older")
        except OSError as error:
            log.warning("an older emergency copy stays: %s", error)

    def _mend(self, found: Found) -> None:
        """Keeps what is damaged aside and puts what was recovered in its place; a disk that refuses is told of."""
        self._recoveries += 1
        wrong = "; ".join(f"{path.name} {problem}" for path, problem in found.damaged) or "data.json is not the newest"
        if not found.damaged and not found.main_is_valid:
            wrong = f"{self.path.name} is missing"
        outcome = f"recovered from {found.source}" if found.source else "no file is left that validates: starting anew"
        log.error("%s; %s", wrong, outcome)
        self._webhook.send(f"Recovery of {self.path.name}: {wrong}; {outcome}.", urgent=True)
        is_replaced = found.source not in (None, self.path)
        for path, _ in found.damaged:
            self._put_aside(path, "damaged", keep_aside if is_replaced and path == self.path else move_aside)
        if not is_replaced:
            return
        if found.main_is_valid:
            self._put_aside(self.path, "older", keep_aside)
        self._emergency.unread = set()
        try:
            self.save(found.content)
        except OSError as error:
            log.warning("what was recovered could not be written back yet: %s", error)

    def _put_aside(self, path: Path, why: str, put: Callable[[Path, str], Path]) -> None:
        """data.json is only replaced once this has worked."""
        try:
            log.warning("%s is kept as %s", path, put(path, why).name)
        except OSError as error:
            log.warning("%s could not be kept aside: %s", path, error)
            if path == self.path:
                self._to_keep.append((path, why))

    # --- saving ----------------------------------------------------------------------------------------------------

    def save(self, content: bytes) -> None:
        """Returns when `content` is durable in data.json. Raises SaveFailedError after the emergency copy is safe."""
        if not self._is_open:
            self._open()
        self._number += 1
        checksum = sha256(content)
        names = self._names_of_backups()
        self._known.saves += 1
        try:
            self._write_main(content, checksum, names)
        except OSError as error:
            self._known.saves -= 1
            raise self._failed(content, error) from error
        self._emergency.remove()
        self._write_backups(content, names)
        self._clean_up()
        self._tell_of_success()

    def _names_of_backups(self) -> dict[str, str]:
        """The name of each backup that this save makes, by its kind."""
        self._newest = next_stamp(self._newest, datetime.now(UTC))
        is_fifth = (self._known.saves + 1) % COMPRESSED_EVERY == 0
        return {kind: name_of(kind, self._newest) for kind in (TIMESTAMPED, *([COMPRESSED] * is_fifth))}

    def _write_main(self, content: bytes, checksum: str, names: dict[str, str]) -> None:
        while self._to_keep:
            keep_aside(*self._to_keep[0])
            del self._to_keep[0]
        status = stage(self.path, content)
        save = Save(self._number, checksum, status.st_size, status.st_mtime_ns)
        self._known.main = [*self._known.main[:1], *self._known.main[1:][-MOST_DOUBTS:], save]
        self._known.backups |= {name: Copy(self._number, checksum) for name in names.values()}
        self._note()
        self._may_hold = [*self._may_hold[:1], *self._may_hold[1:][-MOST_DOUBTS:], checksum]
        try:
            publish(self.path)
        except OSError:
            discard(self.path)
            raise
        self._known.main = [save]
        self._may_hold = [checksum]

    def _note(self) -> None:
        """Writes what is known down, as far as the disk lets it."""
        try:
            self.folder.mkdir(exist_ok=True)
            write_known(self.folder, self._known)
        except OSError as error:
            log.warning("the checksums could not be written: %s", error)

    def _failed(self, content: bytes, cause: OSError) -> SaveFailedError:
        self._failures += 1
        self._failures_in_a_row += 1
        saved = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        main = size_and_time(self.path)
        copy = Emergency(self._number, tuple(self._may_hold), main, saved, str(cause), content)
        error = SaveFailedError(self.path, cause, self._emergency.write(copy))
        log.error("%s", error)
        if str(self._failures_in_a_row).strip("0") == "1":  # the 1st, 10th, 100th: not a notice a second
            self._webhook.send(f"Failed save ({self._failures_in_a_row} in a row): {error}.", urgent=True)
        return error

    def _write_backups(self, content: bytes, names: dict[str, str]) -> None:
        """The data is safe already: a backup that fails is told of, and does not fail the save."""
        for kind, name in names.items():
            try:
                self.folder.mkdir(exist_ok=True)
                write_durably(self.folder / name, pack(kind, content))
            except OSError as error:
                del self._known.backups[name]
                log.error("no %s backup of this save: %s", kind, error)
                self._webhook.send(f"No {kind} backup of {self.path.name}: {error.strerror}.", urgent=False)

    def _clean_up(self) -> None:
        try:
            for backup in to_delete(self.backups(), self._keep, self._validates):
                backup.path.unlink(missing_ok=True)
                self._known.backups.pop(backup.name, None)
        except OSError as error:
            log.warning("older backups stay: %s", error)

    def _validates(self, backup: Backup) -> bool:
        """What matches its checksum was validated when it was saved."""
        try:
            content = content_of(backup, self._known)
            if backup.name not in self._known.backups:
                checked(content, self.validate)
        except (OSError, ValueError):
            return False
        return True

    def _tell_of_success(self) -> None:
        if self._failures_in_a_row:
            log.info("%s is saved again, after %d failures", self.path, self._failures_in_a_row)
            text = f"{self.path.name} is saved again, after {self._failures_in_a_row} failures."
            self._webhook.send(f"{text} {self._state()}", urgent=True)
            self._failures_in_a_row = 0
        elif self._known.saves % NOTICE_EVERY == 0:
            self._webhook.send(self._state(), urgent=False)

    # --- looking ---------------------------------------------------------------------------------------------------

    def backups(self) -> list[Backup]:
        """Newest first."""
        return list_backups(self.folder)

    def restore(self, name: str) -> Data:
        """Saves what that backup holds. Raises FileNotFoundError, DamagedFileError and what `save` raises."""
        backup = next((backup for backup in self.backups() if backup.name == name), None)
        if backup is None:
            raise FileNotFoundError(errno.ENOENT, "There is no backup of that name", name)
        try:
            content = content_of(backup, read_known(self.folder))
            data = checked(content, self.validate)
        except ValueError as error:
            raise DamagedFileError(f"{backup.path} {error}") from error
        self.save(content)
        return data

    def statistics(self) -> Statistics:
        """Raises OSError when the disk does not answer."""
        saves = (self._known if self._is_open else read_known(self.folder)).saves
        counts = {"saves": saves, "failures": self._failures, "recoveries": self._recoveries}
        return look(self.path, self.folder, self._emergency.paths, **counts)

    def close(self) -> None:
        """Nothing is open but the way to the webhook."""
        self._webhook.close()

    def _state(self) -> str:
        try:
            return in_words(self.path.name, self.statistics())
        except OSError as error:  # the save has succeeded, and stays so
            return f"{self.path.name}: {error.strerror}"
