"""Runs a function in a forked child and looks at each call by which it changes files, before it is made (Linux).

A seccomp filter stops the child, in whatever thread or library, at exactly those calls; ptrace says which one it is.
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct
import sys
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

NUMBERS = {
    "x86_64": {
        "open": 2, "openat": 257, "creat": 85, "write": 1, "pwrite64": 18, "writev": 20, "fsync": 74, "fdatasync": 75,
        "truncate": 76, "ftruncate": 77, "rename": 82, "renameat": 264, "renameat2": 316, "mkdir": 83, "mkdirat": 258,
        "rmdir": 84, "unlink": 87, "unlinkat": 263,
    },
    "aarch64": {
        "openat": 56, "write": 64, "pwrite64": 68, "writev": 66, "fsync": 82, "fdatasync": 83, "truncate": 45,
        "ftruncate": 46, "renameat": 38, "renameat2": 276, "mkdirat": 34, "unlinkat": 35,
    },
}  # fmt: skip
COUNTED = ("write", "sync", "rename")
TRACEME, CONT, SYSCALL, SETOPTIONS, GET_SYSCALL_INFO = 0, 7, 24, 0x4200, 0x420E
SYSGOOD, TRACECLONE, TRACESECCOMP, EXITKILL = 1, 8, 0x80, 0x100000
EVENT_SECCOMP, WALL = 7, 0x40000000
NO_NEW_PRIVS, SET_SECCOMP, FILTER_MODE = 38, 22, 2
ALLOW, TRACE = 0x7FFF0000, 0x7FF00000
AT_REMOVEDIR, AT_FDCWD = 0x200, -100
FAILED = 99


@dataclass(frozen=True)
class Call:
    """One call on a path below the root: `kind` is open, write, sync, truncate, rename, mkdir, unlink or rmdir."""

    kind: str
    path: str
    to: str = ""
    data: bytes = b""
    at: int = 0
    flags: int = 0


def available() -> bool:
    """Whether this system can be asked."""
    return sys.platform == "linux" and platform.machine() in NUMBERS


def run_traced(
    work: Callable[[], None], root: Path, *, kill_at: int | None = None, torn: bool = False
) -> tuple[list[Call], int | None]:
    """Run `work` in a child; give its calls below `root` that succeeded, and its exit code, None where it was killed.

    It is killed before the `kill_at`-th call that writes, syncs or renames, counted from 1; `torn` lets half of a
    write happen first.
    """
    child = os.fork()
    if child == 0:
        _be_traced(work)
    return _Tracer(child, os.path.realpath(root), kill_at, torn).follow()


def _be_traced(work: Callable[[], None]) -> None:
    code = FAILED
    try:
        _ptrace(TRACEME, 0, 0, 0)
        os.kill(os.getpid(), signal.SIGSTOP)
        _filter(sorted(NUMBERS[platform.machine()].values()))
        work()
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def _filter(numbers: list[int]) -> None:
    """Stop at these calls, in all threads to come."""
    lines = [struct.pack("HBBI", 0x20, 0, 0, 0)]
    lines += [struct.pack("HBBI", 0x15, len(numbers) - i, 0, number) for i, number in enumerate(numbers)]
    lines += [struct.pack("HBBI", 0x06, 0, 0, ALLOW), struct.pack("HBBI", 0x06, 0, 0, TRACE)]
    code = ctypes.create_string_buffer(b"".join(lines))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxQ", len(lines), ctypes.addressof(code)))
    libc = _libc()
    if libc.prctl(NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(SET_SECCOMP, FILTER_MODE, program, 0, 0):
        raise OSError(ctypes.get_errno(), "no seccomp filter")


class _Tracer:
    """Follows a child and its threads to the end."""

    def __init__(self, child: int, root: str, kill_at: int | None, torn: bool) -> None:
        self.child, self.root, self.kill_at, self.torn = child, root, kill_at, torn
        self.names = {number: name for name, number in NUMBERS[platform.machine()].items()}
        self.calls, self.counted = list[Call](), 0
        self.open: dict[int, Call] = {}

    def follow(self) -> tuple[list[Call], int | None]:
        os.waitpid(self.child, WALL)
        _ptrace(SETOPTIONS, self.child, 0, SYSGOOD | TRACECLONE | TRACESECCOMP | EXITKILL)
        _ptrace(CONT, self.child, 0, 0)
        while True:
            thread, status = os.waitpid(-1, WALL)
            if os.WIFEXITED(status) or os.WIFSIGNALED(status):
                if thread == self.child:
                    return self.calls, os.WEXITSTATUS(status) if os.WIFEXITED(status) else None
                continue
            with suppress(ProcessLookupError):  # killed meanwhile
                self._stopped(thread, status)

    def _stopped(self, thread: int, status: int) -> None:
        number, event = os.WSTOPSIG(status), status >> 16
        if event == EVENT_SECCOMP:
            call = self._call(thread)
            if call is not None and call.kind in COUNTED:
                self.counted += 1
                if self.counted == self.kill_at:
                    self._tear(thread, call)
                    os.kill(self.child, signal.SIGKILL)
                    return
            if call is None:
                _ptrace(CONT, thread, 0, 0)
            else:
                self.open[thread] = call
                _ptrace(SYSCALL, thread, 0, 0)
        elif number == signal.SIGTRAP | 0x80:
            call, failed = self.open.pop(thread), _info(thread)[1] >> 63
            if not failed:
                self.calls.append(call)
            _ptrace(CONT, thread, 0, 0)
        else:
            quiet = event or number in (signal.SIGSTOP, signal.SIGTRAP)
            _ptrace(CONT, thread, 0, 0 if quiet else number)

    def _tear(self, thread: int, call: Call) -> None:
        if self.torn and call.kind == "write" and len(call.data) > 1:
            with suppress(OSError), open(call.path, "r+b") as file:
                file.seek(call.at)
                file.write(call.data[: len(call.data) // 2])

    def _call(self, thread: int) -> Call | None:
        _, number, *rest = _info(thread)
        name, a = self.names[number], rest
        match name:
            case "open" | "creat":
                call = Call("open", self._path(thread, AT_FDCWD, a[0]), flags=a[1] if name == "open" else os.O_CREAT)
            case "openat":
                call = Call("open", self._path(thread, a[0], a[1]), flags=a[2])
            case "write" | "pwrite64" | "writev":
                return self._write(thread, name, a)
            case "fsync" | "fdatasync":
                call = Call("sync", self._file(thread, a[0]))
            case "ftruncate":
                call = Call("truncate", self._file(thread, a[0]), at=a[1])
            case "truncate":
                call = Call("truncate", self._path(thread, AT_FDCWD, a[0]), at=a[1])
            case "rename":
                call = Call("rename", self._path(thread, AT_FDCWD, a[0]), self._path(thread, AT_FDCWD, a[1]))
            case "renameat" | "renameat2":
                call = Call("rename", self._path(thread, a[0], a[1]), self._path(thread, a[2], a[3]))
            case "mkdir":
                call = Call("mkdir", self._path(thread, AT_FDCWD, a[0]))
            case "mkdirat":
                call = Call("mkdir", self._path(thread, a[0], a[1]))
            case "unlinkat":
                kind = "rmdir" if a[2] & AT_REMOVEDIR else "unlink"
                call = Call(kind, self._path(thread, a[0], a[1]))
            case _:
                call = Call(name, self._path(thread, AT_FDCWD, a[0]))
        changes = call.kind != "open" or call.flags & (os.O_CREAT | os.O_TRUNC)
        return call if changes and self._inside(call.path) else None

    def _write(self, thread: int, name: str, a: list[int]) -> Call | None:
        path = self._file(thread, a[0])
        if not self._inside(path):
            return None
        if name == "writev":
            vector = self._memory(thread, a[1], 16 * a[2])
            parts = [struct.unpack_from("QQ", vector, 16 * i) for i in range(a[2])]
            data = b"".join(self._memory(thread, start, length) for start, length in parts)
        else:
            data = self._memory(thread, a[1], a[2])
        return Call("write", path, data=data, at=a[3] if name == "pwrite64" else self._offset(thread, a[0], path))

    def _offset(self, thread: int, file: int, path: str) -> int:
        facts = dict(line.split(":\t") for line in Path(f"/proc/{thread}/fdinfo/{file}").read_text().splitlines()[:2])
        return os.stat(path).st_size if int(facts["flags"], 8) & os.O_APPEND else int(facts["pos"])

    def _inside(self, path: str) -> bool:
        return path == self.root or path.startswith(self.root + "/")

    def _file(self, thread: int, number: int) -> str:
        try:
            return os.readlink(f"/proc/{thread}/fd/{number}").removesuffix(" (deleted)")
        except OSError:
            return ""

    def _path(self, thread: int, folder: int, address: int) -> str:
        text = os.fsdecode(self._text(thread, address))
        folder = folder - (1 << 32) if folder >= 1 << 31 else folder
        at = os.readlink(f"/proc/{thread}/cwd") if folder in (AT_FDCWD, 0xFFFFFF9C) else self._file(thread, folder)
        path = os.path.normpath(os.path.join(at, text))
        return os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))

    def _text(self, thread: int, address: int) -> bytes:
        found = b""
        while b"\0" not in found:
            length = 4096 - address % 4096  # to the end of its page
            found += self._memory(thread, address, length)
            address += length
        return found[: found.index(b"\0")]

    def _memory(self, thread: int, address: int, length: int) -> bytes:
        with open(f"/proc/{thread}/mem", "rb", buffering=0) as memory:
            return os.pread(memory.fileno(), length, address)


def _info(thread: int) -> list[int]:
    """What kind of stop it is; then the call's number and arguments, or its result."""
    buffer = ctypes.create_string_buffer(96)
    _ptrace(GET_SYSCALL_INFO, thread, len(buffer), ctypes.addressof(buffer))
    kind = buffer.raw[0]
    return [kind, *struct.unpack_from("7Q", buffer.raw, 24)]


@lru_cache
def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _ptrace(request: int, thread: int, address: int, data: int) -> None:
    libc = _libc()
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    libc.ptrace.restype = ctypes.c_long
    ctypes.set_errno(0)
    if libc.ptrace(request, thread, address, data) == -1 and (number := ctypes.get_errno()):
        raise OSError(number, os.strerror(number))
