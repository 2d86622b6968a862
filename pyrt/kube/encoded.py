"""Bytes in JSON: base64 as Go's ``encoding/json`` has it for ``[]byte``."""

from __future__ import annotations

import base64
import binascii
import re
from typing import Final

_BASE64: Final = re.compile(r"[A-Za-z0-9+/]*={0,2}")


def decoded(text: str) -> bytes:
    """The bytes. Raises ValueError with the words of Go's decoder, ``illegal base64 data at input byte 3``.

    Line ends count for nothing, as there.
    """
    plain = text.replace("\n", "").replace("\r", "")
    try:
        return base64.b64decode(plain, validate=True)
    except (binascii.Error, ValueError) as error:
        match = _BASE64.match(plain)
        assert match is not None
        raise ValueError(f"illegal base64 data at input byte {min(match.end(), len(plain))}") from error


def encoded(data: bytes) -> str:
    """The text."""
    return base64.b64encode(data).decode()
