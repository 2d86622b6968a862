"""Header blocks: names and values, compressed in one zlib stream for each direction of a session (section 2.6.10).

The two streams keep their state from block to block, so a block that cannot be read ends the session.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from pyrt.streams.spdy.dictionary import DICTIONARY
from pyrt.streams.spdy.errors import SpdyError

MAX_BLOCK: Final = 64 * 1024
"""Bytes that a block may have once it is unpacked: a Kubernetes client sends some 60."""
MAX_HEADERS: Final = 64

_NUMBER: Final = struct.Struct(">I")


class HeaderPacker:
    """The sender's half. The small window costs 6 KiB of memory for a session instead of 256."""

    def __init__(self) -> None:
        self._zlib = zlib.compressobj(
            zlib.Z_BEST_COMPRESSION, zlib.DEFLATED, 11, 1, zlib.Z_DEFAULT_STRATEGY, DICTIONARY
        )

    def pack(self, headers: Mapping[str, str]) -> bytes:
        """One block. Names are lower-cased."""
        parts = [_NUMBER.pack(len(headers))]
        for name, value in headers.items():
            for text in (name.lower(), value):
                data = text.encode("latin-1")
                parts += [_NUMBER.pack(len(data)), data]
        return self._zlib.compress(b"".join(parts)) + self._zlib.flush(zlib.Z_SYNC_FLUSH)


class HeaderUnpacker:
    """The receiver's half."""

    def __init__(self) -> None:
        self._zlib = zlib.decompressobj(zdict=DICTIONARY)

    def unpack(self, block: bytes) -> dict[str, str]:
        """The headers of one block, names in lower case; several values of one name are parted by NUL.

        Raises SpdyError: not zlib's, cut short, too large, a name twice.
        """
        try:
            plain = self._zlib.decompress(block, MAX_BLOCK)
        except zlib.error as error:
            raise SpdyError(f"a header block that is not zlib's: {error}") from error
        if self._zlib.unconsumed_tail or len(plain) == MAX_BLOCK:
            raise SpdyError(f"a header block of more than {MAX_BLOCK} bytes")
        return _parse(plain)


def _parse(plain: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    try:
        (count,) = _NUMBER.unpack_from(plain)
        if count > MAX_HEADERS:
            raise SpdyError(f"{count} headers; expected at most {MAX_HEADERS}")
        at = _NUMBER.size
        for _ in range(count):
            name, at = _text(plain, at)
            value, at = _text(plain, at)
            if not name or name.lower() in headers:
                raise SpdyError(f"the header {name!r} twice, or without a name")
            headers[name.lower()] = value
    except struct.error as error:
        raise SpdyError("a header block that is cut short") from error
    if at != len(plain):
        raise SpdyError("a header block with something behind it")
    return headers


def _text(plain: bytes, at: int) -> tuple[str, int]:
    (length,) = _NUMBER.unpack_from(plain, at)
    begin = at + _NUMBER.size
    if length > len(plain) - begin:
        raise SpdyError("a header block that is cut short")
    return plain[begin : begin + length].decode("latin-1"), begin + length
