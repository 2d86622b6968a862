"""Numbers of bytes for people."""

from __future__ import annotations

UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


def human(size: float) -> str:
    """Three digits and a decimal unit: ``1.23MB``."""
    for unit in UNITS:
        if size < 999.5 or unit == UNITS[-1]:
            return f"{size:.3g}{unit}" if size < 999.5 else f"{size:.0f}{unit}"
        size /= 1000
    raise AssertionError("unreachable: the last unit always returns")
