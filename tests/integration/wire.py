"""A wire to the target that a test can cut, hold, and read: a TCP proxy in the test's own process."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

from fix_source import Source


@dataclass
class Wire:
    """`environ` leads a process through it. The certificate is checked; its name is not, for the wire has another."""

    target: tuple[str, int]
    server: socket.socket
    connections: int = 0
    received: int = 0
    cut_after: int | None = None  # bytes from the target
    pairs: list[tuple[socket.socket, socket.socket]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    open: threading.Event = field(default_factory=threading.Event)
    refusing: bool = False

    @property
    def environ(self) -> dict[str, str]:
        port = self.server.getsockname()[1]
        return {
            "SUPABASE_DB_HOST": "127.0.0.1",
            "SUPABASE_DB_PORT": str(port),
            "SUPABASE_DB_SSLMODE": "verify-ca",
        }

    def cut(self) -> None:
        """Everything that is open breaks, and what comes is closed at once, until `mend`."""
        with self.lock:
            self.refusing = True
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            _close(*pair)

    def mend(self) -> None:
        self.refusing = False

    def hold(self) -> None:
        """Nothing comes from the target until `go_on`."""
        self.open.clear()

    def go_on(self) -> None:
        self.open.set()

    def serve(self) -> None:
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return  # closed at the end of the block
            self.connections += 1
            if self.refusing:
                _close(client)
                continue
            target = socket.create_connection(self.target)
            with self.lock:
                self.pairs.append((client, target))
            threading.Thread(target=self._pump, args=(client, target, False), daemon=True).start()
            threading.Thread(target=self._pump, args=(target, client, True), daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket, from_target: bool) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(64 * 1024):
                if from_target:
                    self.open.wait()
                    self.received += len(data)
                    if self.cut_after is not None and self.received > self.cut_after:
                        self.cut()
                        return
                sink.sendall(data)
        _close(source, sink)


@contextlib.contextmanager
def wire(source: Source) -> Iterator[Wire]:
    """A wire to the source's target, whole at first; cut for good at the end."""
    environ = source.target.environ
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Wire((environ["SUPABASE_DB_HOST"], int(environ["SUPABASE_DB_PORT"])), server)
        made.go_on()
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        yield made
        made.cut()
        made.go_on()
        with contextlib.suppress(OSError):
            server.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
