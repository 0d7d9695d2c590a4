"""`python3 -m telegram_stand_in` serves; `python3 -m telegram_stand_in health` asks the one that serves.

Exit codes: 0 stopped on request, or well; 1 cannot serve, or unwell; 2 wrong settings or arguments.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import urllib.request

from aiohttp import web

from telegram_stand_in.config import Config, ConfigError, read_config
from telegram_stand_in.control import control_application
from telegram_stand_in.people import keep_busy
from telegram_stand_in.server import Api, application

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
    try:
        asyncio.run(_live(config))
    except OSError as error:
        print(f"Error: cannot listen: {error}", file=sys.stderr)
        return 1
    return 0


async def _live(config: Config) -> None:
    stop = asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(each, stop.set)
    api = Api(config.token)
    async with contextlib.AsyncExitStack() as open_until_stop:
        port = await _listen(open_until_stop, application(api), config.host, config.port)
        print(f"serving the Bot API on port {port}, {config.traffic:g} actions a second", flush=True)
        if config.control_port is not None:
            port = await _listen(open_until_stop, control_application(api), "127.0.0.1", config.control_port)
            print(f"steered on port {port}", flush=True)
        busy = asyncio.create_task(keep_busy(api.world, config.traffic, config.seed))
        stopped = asyncio.create_task(stop.wait())
        await asyncio.wait([stopped] if not config.traffic else [busy, stopped], return_when=asyncio.FIRST_COMPLETED)
        if busy.done() and not stop.is_set() and config.traffic:
            busy.result()  # raises what ended it
        busy.cancel()
    print("stopped", flush=True)


async def _listen(stack: contextlib.AsyncExitStack, app: web.Application, host: str, port: int) -> int:
    """Serves until the stack closes; the port, chosen by the system where 0 was asked for."""
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    await web.TCPSite(runner, host, port).start()
    return int(runner.addresses[0][1])


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
