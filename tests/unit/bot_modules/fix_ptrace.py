"""A program watched system call by system call, and killed or lied to at one of them.

`ptrace` of one's own child needs no privilege. Every thread is followed; the stops of all of them are counted in
the order in which they happen, one before and one after each call, from the moment at which the program asks for
the priority of a process that cannot be (`begin`).
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field

TRACEME, POKEUSER, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 6, 24, 0x4200, 0x420E
OPTIONS = 0x1 | 0x8 | 0x100000  # mark system calls, follow threads, end the child with us
ALL_THREADS = 0x40000000
ENTRY, EXIT = 1, 2
AT_SYSTEM_CALL = signal.SIGTRAP | 0x80
MARK = 0x51DE  # the argument by which `begin` is recognised
ORIG_RAX, RAX = 15 * 8, 10 * 8
CAN_LIE = platform.machine() == "x86_64"
NUMBERS = {
    "x86_64": {74: "fsync", 75: "fdatasync", 82: "rename", 1: "write", 257: "open", 2: "open", 86: "link", 87: "unlink",
               83: "mkdir", 3: "close", 0: "read", 140: "getpriority", 5: "fstat", 262: "stat", 4: "stat", 332: "stat",
               217: "getdents", 8: "seek", 316: "rename", 264: "rename"},
    "aarch64": {82: "fsync", 83: "fdatasync", 38: "rename", 276: "rename", 64: "write", 56: "open", 37: "link", 35: "unlink",
                34: "mkdir", 57: "close", 63: "read", 141: "getpriority", 80: "fstat", 79: "stat", 291: "stat",
                61: "getdents", 62: "seek"},
}[platform.machine()]  # fmt: skip

_libc = ctypes.CDLL(None, use_errno=True)
_libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
_libc.ptrace.restype = ctypes.c_long


@dataclass
class Watched:
    """`exit_code` is minus the signal where one ended it. `calls` are the names in order of entry."""

    exit_code: int = 0
    stops: int = 0
    calls: list[str] = field(default_factory=list)
    said: bytes = b""


def begin() -> None:
    """From here on the system calls of this program count."""
    try:
        os.getpriority(os.PRIO_PROCESS, MARK)
    except OSError:
        return


def watch(
    program: Callable[[int], None], *, kill_at: int = 0, fail: Callable[[str, int], int] | None = None
) -> Watched:
    """Runs `program` in a child and gives it a descriptor to write to; what it wrote is `said`.

    Kills it at the stop of the number `kill_at`. `fail` gets the name and the number of each call and gives the
    error that the call shall end with instead of being done, 0 for none.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # other tests' threads: the child needs none of them
        child = os.fork()
    if child == 0:
        _be_the_child(program, writing)
    os.close(writing)
    seen = Watched()
    try:
        _follow(child, seen, kill_at, fail)
        while more := os.read(reading, 65_536):
            seen.said += more
    finally:
        os.close(reading)
    return seen


def _be_the_child(program: Callable[[int], None], writing: int) -> None:
    code = 70
    try:
        _ptrace(TRACEME, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        program(writing)
        code = 0
    except BaseException as error:  # noqa: BLE001 # told to the test, whatever it is
        os.write(writing, f"\n{type(error).__name__}: {error}".encode())
    finally:
        os._exit(code)


def _follow(child: int, seen: Watched, kill_at: int, fail: Callable[[str, int], int] | None) -> None:
    os.waitpid(child, 0)
    _ptrace(SETOPTIONS, child, OPTIONS)
    _ptrace(SYSCALL, child)
    counting = False
    lies: dict[int, int] = {}
    while True:
        thread, status = os.waitpid(-1, ALL_THREADS)
        if os.WIFEXITED(status) or os.WIFSIGNALED(status):
            if thread == child:
                seen.exit_code = os.waitstatus_to_exitcode(status)
                return
            continue
        passed_on = 0
        if os.WSTOPSIG(status) == AT_SYSTEM_CALL:
            kind, number, first = _system_call(thread)
            if not counting:
                counting = kind == ENTRY and NUMBERS.get(number) == "getpriority" and first == MARK
            else:
                seen.stops += 1
                if seen.stops == kill_at:
                    os.kill(child, signal.SIGKILL)
                if kind == ENTRY:
                    seen.calls.append(NUMBERS.get(number, str(number)))
                    if fail and (error := fail(seen.calls[-1], len(seen.calls))):
                        lies[thread] = error
                        _ptrace(POKEUSER, thread, -1, ORIG_RAX)
                elif thread in lies:
                    _ptrace(POKEUSER, thread, -lies.pop(thread), RAX)
        elif os.WSTOPSIG(status) not in (signal.SIGTRAP, signal.SIGSTOP):
            passed_on = os.WSTOPSIG(status)
        _ptrace(SYSCALL, thread, passed_on)


def _system_call(thread: int) -> tuple[int, int, int]:
    """Entry or exit, and at an entry the number of the call and its second argument."""
    buffer = (ctypes.c_uint64 * 11)()
    _ptrace(GET_SYSCALL_INFO, thread, ctypes.addressof(buffer), ctypes.sizeof(buffer))
    kind = buffer[0] & 0xFF
    return kind, buffer[3] if kind == ENTRY else -1, buffer[5] if kind == ENTRY else -1


def _ptrace(request: int, thread: int, data: int = 0, address: int = 0) -> None:
    if _libc.ptrace(request, thread, address, data) == -1:
        error = ctypes.get_errno()
        if error != errno.ESRCH:  # it was killed meanwhile; waitpid will say so
            raise OSError(error, f"ptrace({request:#x}): {os.strerror(error)}")
