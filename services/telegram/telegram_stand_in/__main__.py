"""`python3 -m telegram_stand_in` serves; `python3 -m telegram_stand_in health` asks the one that serves.

Exit codes: 0 stopped on request, or well; 1 cannot serve, or unwell; 2 wrong settings or arguments.
"""

from __future__ import annotations

import asyncio
import os
import sys
import urllib.request

from telegram_stand_in.config import Config, ConfigError, read_config

USAGE = "usage: python3 -m telegram_stand_in [health]"
ANSWER_WITHIN = 3.0


def main(arguments: list[str]) -> int:
    """The exit code."""
    try:
        config = read_config(os.environ)
    except ConfigError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 2
    match arguments:
        case []:
            return _serve(config)
        case ["health"]:
            return _health(config)
    print(USAGE, file=sys.stderr)
    return 2


def _serve(config: Config) -> int:
    # Only here: the health check needs none of it, and is made every few seconds.
    from telegram_stand_in.life import live

    try:
        asyncio.run(live(config))
    except OSError as error:
        print(f"Error: cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


def _health(config: Config) -> int:
    url = f"http://127.0.0.1:{config.port}/bot{config.token}/getMe"
    try:
        with urllib.request.urlopen(url, timeout=ANSWER_WITHIN) as answer:  # always http
            answer.read()
    except OSError as error:
        print(f"the Bot API does not answer: {error}")
        return 1
    print("ok")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
