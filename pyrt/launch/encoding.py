"""The wire format of a plan (native/plan_ops.h): integers in machine order, every item on a multiple of four."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable
from typing import Any

from pyrt.launch.errors import LaunchError

MAGIC = 0x31505950
HEADER = struct.Struct("=IIIIQII")
MAX_BYTES = 1 << 20
MAX_FDS = 64

_RECORD = struct.Struct("=II")
_U32 = struct.Struct("=I").pack
_U64 = struct.Struct("=Q").pack
_TWO = struct.Struct("=II").pack
_PADDING = (b"", b"\0\0\0", b"\0\0", b"\0")
_ENDED = (b"\0\0\0\0", b"\0\0\0", b"\0\0", b"\0")


def _u32(value: int) -> bytes:
    return _U32(value & 0xFFFFFFFF)


def _u64(value: int) -> bytes:
    return _U64(value)


def _bytes(value: bytes) -> bytes:
    return _U32(len(value)) + value + _PADDING[len(value) & 3]


def _text(value: str) -> bytes:
    data = value.encode("utf-8", "surrogateescape")
    if b"\0" in data:
        raise LaunchError("a string contains a NUL byte", operation=repr(value))
    return _U32(len(data)) + data + _ENDED[len(data) & 3]


def _vector(values: Iterable[str]) -> bytes:
    strings = list(values)
    joined = "\0".join(strings)
    data = joined.encode("utf-8", "surrogateescape") + b"\0" if strings else b""
    if data.count(b"\0") != len(strings):
        raise LaunchError("a string contains a NUL byte", operation=repr(joined.replace("\0", " ")))
    return _TWO(len(strings), len(data)) + data + _PADDING[len(data) & 3]


_ENCODERS: dict[str, Callable[[Any], bytes]] = {
    "u": _u32,
    "f": _u32,
    "o": _u32,
    "q": _u64,
    "s": _text,
    "b": _bytes,
    "v": _vector,
}


def encode_record(code: int, signature: str, arguments: Iterable[object]) -> bytes:
    """One operation: its code, its length, its arguments as the signature's letters say."""
    body = b"".join([_ENCODERS[kind](value) for kind, value in zip(signature, arguments, strict=True)])
    return _RECORD.pack(code, len(body) + 8) + body
