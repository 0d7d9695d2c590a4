"""What is restored belongs to whom it did: the owner of the file that it replaces, or of the folder that it comes to."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from mirror.errors import RestoreError


def give(staged: Path, destination: Path) -> None:
    """Gives a staged file, and the folders that its destination still lacks, the owner that the bot needs.

    Raises RestoreError where that is another user than the one who runs this, and it may not give files away.
    """
    missing = [folder for folder in destination.parents if not folder.exists()]
    like = (destination if destination.exists() else destination.parents[len(missing)]).stat()
    for folder in reversed(missing):
        folder.mkdir(exist_ok=True)
        _own(folder, like)
    _own(staged, like)


def _own(path: Path, like: os.stat_result) -> None:
    now = path.stat()
    if now.st_uid != like.st_uid:
        try:
            os.chown(path, like.st_uid, like.st_gid)
        except PermissionError:
            raise RestoreError(
                f"what is restored would belong to user {now.st_uid}, but the bot's files belong to user {like.st_uid}",
                f"nothing was replaced; run the restore as that user: docker compose run --rm --user {like.st_uid}:"
                f"{like.st_gid} restore, or ./sidemirror restore, which does (BOT_UID and BOT_GID)",
            ) from None
    elif now.st_gid != like.st_gid:
        with suppress(PermissionError):  # of a group that the user is not in
            os.chown(path, -1, like.st_gid)
