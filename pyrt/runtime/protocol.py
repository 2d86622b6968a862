"""The messages of ``pyrt-pod``'s control socket, as bytes: the other half of ``native/protocol.h``.

Packing and unpacking only; no sockets. One packet is a header (version, type, sequence number), a fixed structure,
strings, and, for requests that carry one, a plan. Integers are in native byte order without padding.
"""

from __future__ import annotations

import enum
import struct
from typing import Final, NamedTuple

from pyrt.errors import PyrtError

VERSION: Final = 1
MAX_MESSAGE: Final = 65536
"""Bytes of one packet. A plan that does not fit travels in a memfd."""
MAX_ID: Final = 128
NO_SLOT: Final = 0xFFFFFFFF

HELLO: Final = 1
PLAY: Final = 2
START: Final = 3
EXEC: Final = 4
SIGNAL: Final = 5
ATTACH: Final = 6
RESIZE: Final = 7
CLOSE_STDIN: Final = 8
REOPEN_LOG: Final = 9
CONNECT: Final = 10
LIST: Final = 11
FORGET: Final = 12
STOP: Final = 13
PREPARE: Final = 14
NAME: Final = 15
REPLY: Final = 64
ITEM: Final = 65
EXITED: Final = 66

STDIN_OPEN: Final = 1
STDIN_ONCE: Final = 2
SHARED_PIDNS: Final = 4

HEADER: Final = struct.Struct("=HHI")
_PLAN: Final = "IIII"
_HELLO: Final = struct.Struct("=HHI I")
_PLAY: Final = struct.Struct("=HHI" + _PLAN)
_START: Final = struct.Struct("=HHI" + _PLAN + "HHHBBIQ")
_SIGNAL: Final = struct.Struct("=HHI HBB")
_ATTACH: Final = struct.Struct("=HHI HBB")
_RESIZE: Final = struct.Struct("=HHI HHHH")
_TARGET: Final = struct.Struct("=HHI HH")
_NAME: Final = struct.Struct("=HHI HH")
_CONNECT: Final = struct.Struct("=HHI HHI16s")
_REPLY: Final = struct.Struct("=HHI iIiIQQ")
_ITEM: Final = struct.Struct("=HHI iiQQQQBBHHH")


class ProtocolError(PyrtError):
    """The pod process sent something that is not of this protocol."""


class Stdio(enum.IntEnum):
    """Where a process's stdin, stdout and stderr lead."""

    NULL = 0
    LOG = 1
    FDS = 2
    TTY = 3


class SandboxPhase(enum.IntEnum):
    """What has become of the sandbox plan."""

    NONE = 0
    READY = 1
    FAILED = 2
    STOPPING = 3


class ProcessPhase(enum.IntEnum):
    """Where a container or exec process is in its life."""

    STARTING = 0
    RUNNING = 1
    EXITED = 2


class Reply(NamedTuple):
    """The answer to one request; ``errno`` 0 is success. ``started`` is Unix time in ns."""

    seq: int
    errno: int
    operation: int
    """Index of the operation of the plan that failed, or :data:`NO_SLOT`."""
    pid: int
    sandbox: int
    started: int
    start_ticks: int


class ProcessItem(NamedTuple):
    """One container or exec process, as the pod process reports it.

    Times are Unix nanoseconds; ``finished`` is 0 while it runs.
    """

    seq: int
    id: str
    target: str
    is_exec: bool
    phase: int
    pid: int
    status: int
    """As wait(2) gives it."""
    started: int
    finished: int
    start_ticks: int
    """Field 22 of /proc/PID/stat: with ``pid`` it names one process for good."""
    log_lost: int
    """Bytes of output that could not be written to the log."""


def hello(seq: int, subscribe: bool) -> bytes:
    """Ask for the state and, with ``subscribe``, for events."""
    return _HELLO.pack(VERSION, HELLO, seq, subscribe)


def play(seq: int, kind: int, plan: bytes, slots: int) -> bytes:
    """PLAY or PREPARE (``kind``); an empty ``plan`` says that it is in the packet's first descriptor."""
    return _PLAY.pack(VERSION, kind, seq, len(plan), slots, NO_SLOT, NO_SLOT) + plan


def start(
    seq: int,
    kind: int,
    plan: bytes,
    slots: tuple[int, int, int],
    id: str,  # noqa: A002 - the protocol's word
    target: str,
    log_path: str,
    stdio: int,
    flags: int,
    log_max_files: int,
    log_max_size: int,
) -> bytes:
    """START or EXEC (``kind``); an empty ``plan`` says that it is in the packet's first descriptor.

    ``slots``: entries of the plan's descriptor table, and those of the target's pidfd and of the console socket.
    """
    name, owner, log = id.encode(), target.encode(), log_path.encode()
    head = _START.pack(
        VERSION, kind, seq, len(plan), *slots, len(name), len(owner), len(log), stdio, flags,
        log_max_files, log_max_size,
    )  # fmt: skip
    return b"".join((head, name, owner, log, plan))


def signal(seq: int, id: str, number: int, everyone: bool) -> bytes:  # noqa: A002
    """Send a signal to one process, or to its whole PID namespace."""
    name = id.encode()
    return _SIGNAL.pack(VERSION, SIGNAL, seq, len(name), number, everyone) + name


def attach(seq: int, id: str, streams: int) -> bytes:  # noqa: A002
    """Attach: bit 0 stdin, bit 1 stdout, bit 2 stderr, one descriptor each."""
    name = id.encode()
    return _ATTACH.pack(VERSION, ATTACH, seq, len(name), streams, 0) + name


def resize(seq: int, id: str, rows: int, columns: int) -> bytes:  # noqa: A002
    """Set the size of a container's terminal."""
    name = id.encode()
    return _RESIZE.pack(VERSION, RESIZE, seq, len(name), rows, columns, 0) + name


def target(seq: int, kind: int, id: str) -> bytes:  # noqa: A002
    """CLOSE_STDIN, REOPEN_LOG or FORGET (``kind``)."""
    name = id.encode()
    return _TARGET.pack(VERSION, kind, seq, len(name), 0) + name


def name(seq: int, shown: str, path: str) -> bytes:
    """What ps shows: the pod's name, and the run directory, whose path has kept its length."""
    text, directory = shown.encode(), path.encode()
    return _NAME.pack(VERSION, NAME, seq, len(text), len(directory)) + text + directory


def connect(seq: int, family: int, address: bytes, port: int, timeout_ms: int) -> bytes:
    """Connect to a TCP port from inside the pod's network namespace; ``address`` is packed, 4 or 16 bytes."""
    return _CONNECT.pack(VERSION, CONNECT, seq, family, port, timeout_ms, address)


def bare(seq: int, kind: int) -> bytes:
    """LIST or STOP (``kind``)."""
    return HEADER.pack(VERSION, kind, seq)


def decode(packet: bytes) -> Reply | tuple[int, ProcessItem]:
    """A packet from the pod process: a :class:`Reply`, or (ITEM or EXITED, the process).

    Raises :class:`ProtocolError` for anything else.
    """
    try:
        version, kind, seq = HEADER.unpack_from(packet)
        if version != VERSION:
            raise ProtocolError(f"protocol version {version}, expected {VERSION}")
        if kind == REPLY:
            return Reply(seq, *_REPLY.unpack(packet)[3:])
        if kind in (ITEM, EXITED):
            fields = _ITEM.unpack_from(packet)
            pid, status, started, finished, ticks, lost, is_exec, phase, id_len, target_len, _ = fields[3:]
            middle = _ITEM.size + id_len
            if len(packet) != middle + target_len:
                raise ProtocolError("wrong length of an item")
            name, owner = packet[_ITEM.size : middle].decode("ascii"), packet[middle:].decode("ascii")
            return kind, ProcessItem(
                seq, name, owner, bool(is_exec), phase, pid, status, started, finished, ticks, lost
            )  # fmt: skip
    except (struct.error, UnicodeDecodeError) as error:
        raise ProtocolError(f"malformed packet of {len(packet)} bytes") from error
    raise ProtocolError(f"unknown message type {kind}")
