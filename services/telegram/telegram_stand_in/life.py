"""What the stand-in does from start to stop."""

from __future__ import annotations

import asyncio
import contextlib
import signal

from aiohttp import web

from telegram_stand_in.config import Config
from telegram_stand_in.control import control_application
from telegram_stand_in.people import keep_busy
from telegram_stand_in.server import Api, application


async def live(config: Config) -> None:
    """Serves until SIGTERM or SIGINT. Raises OSError when it cannot listen."""
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
