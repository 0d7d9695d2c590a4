"""`python3 -m bot` lives; `python3 -m bot health` says whether the one that lives is well.

Exit codes: 0 stopped on request, or well; 1 cannot go on, or unwell; 2 wrong settings or arguments; 3 Telegram
refuses the token.
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
    # PID 1 has no default for SIGTERM: until the loop takes it over, it must end the start. Not by an exception: an import
    # in progress could turn it into an error of its own. Nothing is in hand yet, and the files bear being left.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    os.umask(0o027)  # the group may read: that is how a sidecar of another user does
    # Only here: aiogram takes a second to import, and the health check needs none of it.
    from bot.life import live
    from bot_modules.database import DamagedFileError, SettingsError

    try:
        config = read_config(os.environ)
        _log_to_stdout(config.token)
        asyncio.run(live(config))
    except BotError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except SettingsError as error:
        print(BotError(str(error), "correct each and start again"), file=sys.stderr)
        return 2
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


class _Redacting(logging.Formatter):
    """Addresses of the Bot API hold the token, and errors hold addresses."""

    converter = staticmethod(time.gmtime)

    def __init__(self, token: str) -> None:
        super().__init__("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%SZ")
        self._token = token

    def format(self, record: logging.LogRecord) -> str:
        return super().format(record).replace(self._token, "<token>")


def _log_to_stdout(token: str) -> None:
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_Redacting(token))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("aiogram").setLevel(logging.WARNING)  # otherwise a line for each update


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
