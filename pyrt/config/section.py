"""What every table of the configuration is made of."""

from __future__ import annotations

import re
from ipaddress import ip_address
from pathlib import Path

import msgspec

_SUFFIXES = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "Ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}
_SIZE = re.compile(r"([0-9]+)(|k|M|G|T|Ki|Mi|Gi|Ti)")
QUANTITY = re.compile(r"[0-9]+(\.[0-9]+)?(|m|k|M|G|T|Ki|Mi|Gi|Ti)")
"""Amounts as Kubernetes writes them, without exponents."""


class Bytes(int):
    """A number of bytes, written in the file as an integer or as a Kubernetes quantity (``10Mi``, ``2G``)."""

    @classmethod
    def parse(cls, value: object) -> Bytes:
        """From what TOML gave. Raises ``ValueError``."""
        if isinstance(value, int) and not isinstance(value, bool):
            if value < 0:
                raise ValueError("expected a size of at least 0 bytes")
            return cls(value)
        match = _SIZE.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise ValueError('expected a number of bytes, or a string such as "10Mi" or "2G"')
        return cls(int(match[1]) * _SUFFIXES[match[2]])


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A table of the file."""


def require(condition: bool, key: str, expected: str) -> None:
    """Raises ``ValueError`` unless the condition holds."""
    if not condition:
        raise ValueError(f"{key}: {expected}")


def absolute(path: Path | None, key: str) -> None:
    """Raises ``ValueError`` for a relative path."""
    require(path is None or path.is_absolute(), key, f"expected an absolute path, got {str(path)!r}")


def is_address(text: str) -> bool:
    """Whether it is an IP address, of either family."""
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
