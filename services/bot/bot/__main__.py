"""`python3 -m bot` lives; `python3 -m bot health` says whether the one that lives is well.

Exit codes: 0 stopped on request, or well; 1 cannot go on, or unwell; 2 wrong settings or arguments.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from pathlib import Path

from bot import premium, requests
from bot.config import read_config
from bot.errors import BotError
from bot.heartbeat import heartbeat_path, illness
from bot.loop import live
from bot_modules.database import DamagedFileError

USAGE = "usage: python3 -m bot [health]"


def main(arguments: list[str]) -> int:
    """The exit code."""
    match arguments:
        case []:
            return _live()
        case ["health"]:
            return _health()
    print(USAGE, file=sys.stderr)
    return 2


def _live() -> int:
    # PID 1 has no default for SIGTERM: until the loop takes it over, it must end the start.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    os.umask(0o027)  # the group may read: that is how a sidecar of another user does
    _log_to_stdout()
    try:
        asyncio.run(live(read_config(os.environ)))
    except BotError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except DamagedFileError as error:
        print(BotError(str(error), "the bot never overwrites a damaged file"), file=sys.stderr)
        return 1
    except OSError as error:
        print(
            BotError(f"the disk said no: {error}", "check the folder's owner, mode and free space"),
            file=sys.stderr,
        )
        return 1
    return 0


def _health() -> int:
    folder = Path(os.environ.get("SQLITE_DIR", ""))
    wrong = illness(heartbeat_path(), [folder / premium.FILE_NAME, folder / requests.FILE_NAME])
    print(wrong or "ok")
    return 1 if wrong else 0


def _log_to_stdout() -> None:
    logging.Formatter.converter = time.gmtime
    logging.basicConfig(
        stream=sys.stdout,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%SZ",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
