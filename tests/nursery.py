"""Where the tests' processes of Python come from: forked from one that has imported the product already.

A command of the sidecar or of the bot spends most of its second of processor time in importing. What is started here is
still a process of its own (a child of the test's process, with its own arguments, environment, folder and standard streams,
that can be waited for, signalled and killed like any other); only the imports are not repeated. `adopt` puts it in the place
of subprocess.Popen, which takes the ordinary way for everything else: see `_modules`.
"""

from __future__ import annotations

import array
import ctypes
import gc
import importlib
import io
import json
import os
import re
import runpy
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

SIDECAR = ("backup.__main__", "restore.__main__")
# What is started by its name, and what its nursery imports.
IMPORTED = {
    "backup": SIDECAR,
    "restore": SIDECAR,
    "bot": ("bot.__main__", "bot.life"),
    "telegram_stand_in": ("telegram_stand_in.__main__",),
}
# A script given as text, which runs the sidecar's code in its own process.
_OF_THE_SIDECAR = re.compile(r"^\s*(from|import) (backup|restore|mirror)\b|runpy\.run_module", re.MULTILINE)
# What Python reads before any import: a nursery for each. What the loader reads cannot be had from a nursery.
_READ_AT_START = ("PYTHON", "LC_", "LANG")
_READ_BY_THE_LOADER = "LD_"
_READ_AFTER_IT = "PYTHONUNBUFFERED"
_SET_CHILD_SUBREAPER = 36
_MAX_REQUEST = 1 << 20

_lock = threading.Lock()
_ways: dict[object, socket.socket] = {}


class Popen(subprocess.Popen):  # type: ignore[type-arg]
    """subprocess.Popen, of which only the start differs."""

    def _execute_child(self, *given: Any) -> None:
        (arguments, executable, preexec, _, pass_fds, cwd, env, startupinfo, flags, shell, *streams) = given[:16]
        _, gid, gids, uid, umask, new_session, group = given[16:]
        plain = not any((executable, preexec, pass_fds, startupinfo, flags, shell, gids, new_session))
        plain = plain and gid is None and uid is None and umask == -1 and group == -1
        variables = dict(os.environ if env is None else env)
        modules = (
            _modules(arguments) if plain and not any(k.startswith(_READ_BY_THE_LOADER) for k in variables) else None
        )
        if modules is None:
            super()._execute_child(*given)  # type: ignore[misc]
            return
        if not self._is_forked(modules, arguments, variables, cwd, streams):
            super()._execute_child(*given)  # type: ignore[misc]

    def _is_forked(
        self, modules: tuple[str, ...], arguments: Any, variables: dict[Any, Any], cwd: Any, streams: list[int]
    ) -> bool:
        """Whether the nursery has made it: one whose imports fail is not there, and Python itself says why."""
        p2cread, _, _, c2pwrite, _, errwrite = streams
        fds = [given if given != -1 else own for own, given in enumerate((p2cread, c2pwrite, errwrite))]
        request = {
            "arguments": [os.fspath(one) for one in arguments[1:]],
            "environ": {os.fspath(name): os.fspath(value) for name, value in variables.items()},
            "cwd": os.fspath(cwd) if cwd else os.getcwd(),  # noqa: PTH109
        }
        try:
            self.pid = _ask(modules, request, fds)
        except (ConnectionError, ValueError):
            return False
        self._child_created = True
        self._close_pipe_fds(*streams)  # type: ignore[attr-defined]
        return True


def adopt() -> None:
    """From here on the tests' processes of Python come from the nursery."""
    subprocess.Popen = Popen  # type: ignore[misc]


def _modules(arguments: Any) -> tuple[str, ...] | None:
    """What the nursery for this command has imported; None for a command that is started in the ordinary way."""
    if isinstance(arguments, (str, bytes)) or len(arguments) < 3 or arguments[0] != sys.executable:
        return None
    if arguments[1] == "-c":
        return SIDECAR if _OF_THE_SIDECAR.search(arguments[2]) else None
    return IMPORTED.get(arguments[2]) if arguments[1] == "-m" else None


def _ask(modules: tuple[str, ...], request: dict[str, Any], fds: list[int]) -> int:
    """The new process's number. It is a child of this process: what is orphaned while we are asking is given to us."""
    environ = request["environ"]
    early = {k: v for k, v in environ.items() if k.startswith(_READ_AT_START) and k != _READ_AFTER_IT}
    which = (os.getpid(), modules, tuple(sorted(early.items())))
    with _lock:
        if which not in _ways:
            _ways[which] = _started(modules, {k: v for k, v in environ.items() if k in ("PATH", "HOME")} | early)
        _subreaper(True)
        try:
            _ways[which].sendmsg(
                [json.dumps(request).encode()], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))]
            )
            return int(_ways[which].recv(64))
        finally:
            _subreaper(False)


def _started(modules: tuple[str, ...], environ: dict[str, str]) -> socket.socket:
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _MAX_REQUEST)
    command = [sys.executable, str(Path(__file__).resolve()), str(theirs.fileno()), *modules]
    with theirs:
        ORDINARY(command, env=environ, pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL).returncode = 0
    return ours


ORDINARY = subprocess.Popen


def _subreaper(on: bool) -> None:
    if ctypes.CDLL(None, use_errno=True).prctl(_SET_CHILD_SUBREAPER, int(on), 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


# --- the nursery itself ---------------------------------------------------------------------------------------------


def _serve(way: socket.socket) -> None:
    """Answers each request with the number of a new process; returns in the new processes only."""
    while True:
        message, fds, _, _ = socket.recv_fds(way, _MAX_REQUEST, 3)
        if not message:
            os._exit(0)
        answer, told = os.pipe()
        middle = os.fork()
        if middle == 0:
            # The one that stays is the child of a process that has ended: of the asking one, then, as is said there.
            if (child := os.fork()) != 0:
                os.write(told, str(child).encode())
                os._exit(0)
            os.close(answer)
            os.close(told)
            way.close()
            _become(json.loads(message), fds)
            return
        os.close(told)
        os.waitpid(middle, 0)
        number = os.read(answer, 64)
        for fd in (answer, *fds):
            os.close(fd)
        way.send(number)


def _become(request: dict[str, Any], fds: list[int]) -> None:
    for number, fd in enumerate(fds):
        os.dup2(fd, number)
    for fd in fds:
        os.close(fd)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    sys.argv = ["-c", *request["arguments"]]
    unbuffered = bool(os.environ.get("PYTHONUNBUFFERED"))
    for name, number in (("stdout", 1), ("stderr", 2)):
        was = getattr(sys, name)
        raw = open(number, "wb", 0 if unbuffered else -1, closefd=False)  # noqa: SIM115
        lines = name == "stderr" or os.isatty(number)
        made = io.TextIOWrapper(raw, was.encoding, was.errors, line_buffering=lines, write_through=unbuffered)
        setattr(sys, name, made)
        setattr(sys, f"__{name}__", made)
    sys.stdin = open(0, encoding=sys.stdin.encoding, errors=sys.stdin.errors, closefd=False)  # noqa: SIM115


def _run(kind: str, what: str, *arguments: str) -> None:
    if kind == "-m":
        sys.argv = [what, *arguments]
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        sys.argv = ["-c", *arguments]
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__", "__builtins__": __builtins__})


if __name__ == "__main__":
    sys.path[0] = ""
    for module in sys.argv[2:]:
        importlib.import_module(module)
        if module.endswith(".__main__"):  # which is run, once more, as the one that it is
            del sys.modules[module]
    gc.freeze()
    _serve(socket.socket(fileno=int(sys.argv[1])))
    _run(*sys.argv[1:])
