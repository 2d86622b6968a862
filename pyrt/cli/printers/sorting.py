"""``--sort-by``."""

from __future__ import annotations

from typing import Any

from pyrt.cli.printers.jsonpath import find


def sort_by(items: list[dict[str, Any]], expression: str) -> list[dict[str, Any]]:
    """In ascending order of the field; objects without it come first. Numbers sort as numbers, all else as text."""

    def key(item: dict[str, Any]) -> tuple[int, float, str]:
        values = find(expression, item)
        if not values or values[0] is None:
            return 0, 0.0, ""
        value = values[0]
        if isinstance(value, int | float) and not isinstance(value, bool):
            return 1, float(value), ""
        return 2, 0.0, str(value)

    return sorted(items, key=key)
