"""The size of a client's terminal, as client-go's JSON objects one after another: ``{"Width":80,"Height":24}``."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

_MAX_OBJECT: Final = 256
"""Bytes of an object that is not whole yet: what is longer is no size."""


class TerminalSize(msgspec.Struct, frozen=True):
    """Columns and rows (client-go's ``TerminalSize``)."""

    Width: int = 0
    Height: int = 0


class Sizes:
    """Finds the objects in a stream of bytes; what is no size of a terminal is passed over."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[TerminalSize]:
        """The sizes that ``data`` completes."""
        *whole, rest = (self._rest + data).split(b"}")
        for text in whole:
            try:
                size = msgspec.json.decode(text[text.rfind(b"{") :] + b"}", type=TerminalSize)
            except msgspec.DecodeError:
                continue
            if 0 < size.Height < 65536 and 0 < size.Width < 65536:
                yield size
        self._rest = rest if len(rest) <= _MAX_OBJECT else b""
