"""A connection to the target that counts: bytes each way, and round trips (answers that followed a question)."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from bench.place import Place
from mirror import settings
from mirror.settings import Settings


@dataclass
class Wire:
    """Everything counts, TLS and log-in included."""

    port: int
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
def counted() -> Iterator[Wire]:
    """A wire that is open for the length of the block."""
    config = settings.load(Settings)
    with socket.create_server(("127.0.0.1", 0)) as server:
        wire = Wire(server.getsockname()[1])
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
    with suppress(OSError):
        while data := source.recv(256 * 1024):
            if outwards:
                wire.sent += len(data)
                wire.asked = True
            else:
                wire.received += len(data)
                wire.round_trips += wire.asked
                wire.asked = False
            sink.sendall(data)
    with suppress(OSError):
        sink.shutdown(socket.SHUT_WR)
