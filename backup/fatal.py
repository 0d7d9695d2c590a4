"""Supervisor's event listener: when a program cannot be kept running, the container ends, and the engine starts it anew."""

from __future__ import annotations

import os
import signal
import sys

from supervisor import childutils


def main() -> None:
    while True:
        headers, payload = childutils.listener.wait(sys.stdin, sys.stdout)
        event, _ = childutils.eventdata(payload + "\n")
        print(f"{event.get('processname')} could not be kept running; the sidecar ends", file=sys.stderr)
        if headers.get("eventname") == "PROCESS_STATE_FATAL":
            os.kill(os.getppid(), signal.SIGTERM)
        childutils.listener.ok(sys.stdout)


if __name__ == "__main__":
    main()
