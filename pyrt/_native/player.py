"""Playing plans (native/plan.h). The plan itself is made by ``pyrt.launch``."""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence

from pyrt._native._cffi import ffi, lib
from pyrt._native.failure import fail
from pyrt.records import TYPE_CHECKING, dataclass

if TYPE_CHECKING:
    from typing import Any

PLAN_VERSION: int = int(lib.PLAN_VERSION)
"""Of the plans that this player takes (native/plan_ops.h)."""
_FAILURE = struct.Struct("=Ii")


@dataclass(frozen=True, slots=True)
class Failure:
    """Where a plan stopped. ``errno`` 0 is no failure: the plan has reached its WAIT, operation ``index``.

    ``index`` equal to the number of operations means before the first: clone3 itself, or joining the PID namespace.
    """

    index: int
    errno: int


@dataclass(frozen=True, slots=True)
class Child:
    """A process that plays a plan. The caller owns both descriptors and reaps the process."""

    pid: int
    pidfd: int
    report_fd: int
    """A non-blocking SOCK_SEQPACKET socket for :func:`read_report`; one byte written to it ends a WAIT."""


def _decode(plan: bytes) -> tuple[Any, Any]:
    decoded = ffi.new("struct plan *")
    buffer = ffi.from_buffer("char[]", plan)
    if lib.plan_decode(decoded, buffer, len(plan), ffi.NULL):
        fail("plan_decode")
    return decoded, buffer


def check_plan(plan: bytes) -> int:
    """The number of operations of a well-formed plan. Raises ``OSError`` EBADMSG, with the offset of the offence."""
    decoded = ffi.new("struct plan *")
    where = ffi.new("size_t *")
    if lib.plan_decode(decoded, ffi.from_buffer("char[]", plan), len(plan), where):
        fail(f"plan_decode at offset {where[0]}")
    return int(decoded.op_count)


def plan_play(plan: bytes, fds: Sequence[int] = ()) -> Failure | None:
    """Play a plan in this process; ``None`` when all of it is done. It does not return from an EXEC that succeeds."""
    decoded, buffer = _decode(plan)
    why = ffi.new("struct plan_failure *")
    result = lib.plan_play(decoded, ffi.new("int[]", list(fds)), len(fds), why)
    del buffer
    return Failure(int(why.index), int(why.err)) if result else None


def plan_spawn(plan: bytes, fds: Sequence[int] = (), stdio: tuple[int, int, int] = (-1, -1, -1)) -> Child:
    """Start a child that plays a plan; never waits for it. -1 in ``stdio`` is /dev/null.

    The second birth of a plan that has one is not followed: that is pyrt-pod's to do.
    """
    decoded, buffer = _decode(plan)
    child = ffi.new("struct plan_child *")
    if lib.plan_spawn(decoded, ffi.new("int[]", list(fds)), len(fds), ffi.new("int[3]", list(stdio)), child):
        fail("clone3")
    del buffer
    lib.plan_forget_born(child.born)
    return Child(int(child.pid), int(child.pidfd), int(child.report_fd))


def plan_launch(
    plan: bytes,
    program_fd: int,
    fds: Sequence[int] = (),
    stdio: tuple[int, int, int] = (-1, -1, -1),
    preserved: int = 0,
) -> tuple[Child, Any]:
    """As :func:`plan_spawn`, by ``pyrt-init``: ``program_fd`` is its executable, of which the child shows nothing else.

    The descriptors 3 to 2 + ``preserved`` are left to the program. Second in the answer is what :func:`born` reads of a
    plan with a second birth.
    """
    from pyrt._native.processes import memfd

    decoded, buffer = _decode(plan)
    child = ffi.new("struct plan_child *")
    plan_fd = memfd("plan", plan)
    try:
        if lib.plan_launch(
            decoded, ffi.new("int[]", list(fds)), len(fds), ffi.new("int[3]", list(stdio)), program_fd, plan_fd,
            preserved, child,
        ):  # fmt: skip
            fail("clone3")
    finally:
        os.close(plan_fd)
    del buffer
    return Child(int(child.pid), int(child.pidfd), int(child.report_fd)), child.born


def born(page: Any) -> int:
    """The process that a plan's second birth made, 0 before that."""
    return int(page[0]) if page != ffi.NULL else 0


def read_report(data: bytes) -> Failure | None:
    """What a packet received from ``report_fd`` says; ``None`` for end of file: the program has been executed."""
    if not data:
        return None
    index, errno = _FAILURE.unpack(data)
    return Failure(index, errno)


def operation_table() -> dict[int, tuple[str, str]]:
    """Code -> (name, signature) of every operation this player knows (native/plan_ops.h)."""
    table = {}
    for code in range(lib.PLAN_OP_LIMIT):
        name = lib.plan_op_name(code)
        if name != ffi.NULL:
            table[code] = (ffi.string(name).decode(), ffi.string(lib.plan_op_signature(code)).decode())
    return table
