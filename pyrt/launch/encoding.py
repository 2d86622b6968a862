"""The wire format of a plan (native/plan_ops.h): integers in machine order, every item on a multiple of four."""

from __future__ import annotations

import functools
import struct
from collections.abc import Callable, Iterable, Sequence

from pyrt.launch.errors import LaunchError
from pyrt.records import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any

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


@functools.lru_cache(maxsize=2048)
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
        # Which one, and not what is in it: variables come from Secrets.
        number = next(index for index, string in enumerate(strings, 1) if "\0" in string)
        raise LaunchError(f"string {number} of {len(strings)} contains a NUL byte", operation="exec")
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


def encoders(signature: str) -> tuple[Callable[[Any], bytes], ...]:
    """What encodes the arguments of a signature, one after the other."""
    return tuple(_ENCODERS[kind] for kind in signature)


def encode_record(code: int, encode: Sequence[Callable[[Any], bytes]], arguments: Sequence[Any]) -> bytes:
    """One operation: its code, its length, its arguments, each as its encoder says."""
    if len(encode) != len(arguments):
        raise ValueError(f"operation {code} has {len(encode)} arguments, got {len(arguments)}")
    body = b"".join([one(value) for one, value in zip(encode, arguments)])  # noqa: B905 - checked above, and hot
    return _RECORD.pack(code, len(body) + 8) + body
