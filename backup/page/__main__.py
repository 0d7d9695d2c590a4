"""The page as a process: python -m backup.page."""

from __future__ import annotations

import sys

import uvicorn

from backup.page.app import application
from backup.page.config import PageSettings
from backup.page.protocol import PatientProtocol
from mirror import settings
from mirror.errors import SidemirrorError

# Nobody but a browser's event stream holds a connection for longer.
STOP_SECONDS = 2


def main() -> None:
    config = settings.load(PageSettings)
    server: uvicorn.Server
    settings_of_server = uvicorn.Config(
        application(config, lambda: server.should_exit),
        host=config.status_address,
        port=config.status_port,
        log_level="warning",
        access_log=False,
        server_header=False,
        ws="none",
        lifespan="off",
        loop="asyncio",
        http=PatientProtocol,
        limit_concurrency=200,
        timeout_graceful_shutdown=STOP_SECONDS,
    )
    server = uvicorn.Server(settings_of_server)
    server.run()


if __name__ == "__main__":
    try:
        main()
    except SidemirrorError as error:
        print(f"Error: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
