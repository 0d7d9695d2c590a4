"""A connection to the target that counts: bytes each way, and round trips (answers that followed a question).

It can be as long as one to another continent: then each way takes half of that. (The kernel's netem does the same, but not
every kernel has it.)
"""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from queue import SimpleQueue

from bench.place import Place
from mirror import settings
from mirror.settings import Settings


@dataclass
class Wire:
    """Everything counts, TLS and log-in included."""

    port: int
    delay: float = 0.0  # seconds, each way
    sent: int = 0
    received: int = 0
    round_trips: int = 0
    asked: bool = False

    def environ(self, place: Place) -> dict[str, str]:
        """The place's variables by way of this wire. The certificate is checked, but names another host."""
        return {
            **place.environ,
            "SUPABASE_DB_HOST": "127.0.0.1",
            "SUPABASE_DB_PORT": str(self.port),
            "SUPABASE_DB_SSLMODE": "verify-ca",
        }

    def reset(self) -> None:
        self.sent = self.received = self.round_trips = 0


@contextmanager
def counted(delay: float = 0.0) -> Iterator[Wire]:
    """A wire that is open for the length of the block; `delay` seconds each way."""
    config = settings.load(Settings)
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = Wire(server.getsockname()[1], delay)
        address = (config.supabase_db_host, config.supabase_db_port)
        threading.Thread(target=_serve, args=(server, address, wire), daemon=True).start()
        yield wire


def _serve(server: socket.socket, address: tuple[str, int], wire: Wire) -> None:
    while True:
        try:
            client, _ = server.accept()
        except OSError:
            return  # closed at the end of the block
        target = socket.create_connection(address)
        for one in (client, target):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=_pump, args=(client, target, wire, True), daemon=True).start()
        threading.Thread(target=_pump, args=(target, client, wire, False), daemon=True).start()


def _pump(source: socket.socket, sink: socket.socket, wire: Wire, outwards: bool) -> None:
    late: SimpleQueue[tuple[float, bytes]] = SimpleQueue()
    if wire.delay:
        threading.Thread(target=_deliver, args=(late, sink), daemon=True).start()
    with suppress(OSError):
        while data := source.recv(256 * 1024):
            if outwards:
                wire.sent += len(data)
                wire.asked = True
            else:
                wire.received += len(data)
                wire.round_trips += wire.asked
                wire.asked = False
            if wire.delay:
                late.put((time.monotonic() + wire.delay, data))
            else:
                sink.sendall(data)
    if wire.delay:
        late.put((time.monotonic() + wire.delay, b""))
    else:
        _end(sink)


def _deliver(late: SimpleQueue[tuple[float, bytes]], sink: socket.socket) -> None:
    """What is on its way, each piece when it is due."""
    with suppress(OSError):
        while True:
            due, data = late.get()
            time.sleep(max(0.0, due - time.monotonic()))
            if not data:
                break
            sink.sendall(data)
    _end(sink)


def _end(sink: socket.socket) -> None:
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
