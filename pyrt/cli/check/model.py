"""A finding, and the ways to come to one."""

from __future__ import annotations

import ctypes
import enum
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass


class Status(enum.Enum):
    """How bad it is."""

    OK = "ok"
    WARNING = "warning"
    """Something is missing that some pods want."""
    MISSING = "missing"
    """Without this no pod runs."""
    UNKNOWN = "unknown"
    """Only root can find out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the table."""

    name: str
    status: Status
    detail: str = ""
    remedy: str = ""


libc = ctypes.CDLL(None, use_errno=True)

CLONE_NEWNS = 0x00020000
CLONE_NEWNET = 0x40000000


def finding(name: str, good: bool, detail: str, remedy: str, *, otherwise: Status = Status.MISSING) -> Finding:
    """``ok`` without a remedy, or ``otherwise`` with it."""
    return Finding(name, Status.OK, detail) if good else Finding(name, otherwise, detail, remedy)


def in_child(work: Callable[[], None], *, namespaces: int = 0) -> str:
    """Run ``work`` in a child process with fresh ``namespaces``; what went wrong, empty for nothing."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        # Leaves by _exit whatever happens: two copies of this program must not go on.
        problem = ""
        try:
            if namespaces and libc.unshare(namespaces) != 0:
                raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), "unshare")
            work()
        except OSError as error:
            problem = f"{error.filename or ''}: {error.strerror or error}".removeprefix(": ")
        except BaseException as error:  # noqa: BLE001 - told to the parent, which prints it
            problem = repr(error)
        finally:
            os.write(writer, problem.encode()[:4000])
            sys.stderr.flush()
            os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        text = stream.read().decode(errors="replace")
    os.waitpid(child, 0)
    return text


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    """Mount a file system (mount(2)). Raises OSError."""
    if libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode()) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), f"mount {kind}")


def read(path: str) -> str:
    """The stripped text of a kernel file; empty if there is none."""
    try:
        with open(path) as stream:
            return stream.read().strip()
    except OSError:
        return ""
