"""Annotations as a description shows them."""

from __future__ import annotations

from pyrt.cli.applied import LAST_APPLIED


def shown(values: dict[str, str] | None) -> dict[str, str]:
    """Without what ``apply`` remembers, the whole manifest (with everything that is secret in a Secret); of long texts
    only the first line.
    """
    return {key: value.split("\n")[0] for key, value in (values or {}).items() if key != LAST_APPLIED}
